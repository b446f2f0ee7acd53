/** Where notes go; `isTTY` says whether a person reads them. */
export interface NoteStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** What a command says on standard error, beside its results. With `--quiet` it says only what went wrong. */
export class Notes {
  readonly #stream: NoteStream
  readonly #isQuiet: boolean

  constructor(stream: NoteStream, isQuiet: boolean) {
    this.#stream = stream
    this.#isQuiet = isQuiet
  }

  /** What went wrong although the command goes on. Always written. */
  warn(text: string): void {
    this.#stream.write(`gomqctl: ${text}\n`)
  }

  /** What the command did. */
  report(text: string): void {
    if (!this.#isQuiet) this.#stream.write(`${text}\n`)
  }

  /** What helps a person at a terminal and would be noise in a log. */
  hint(text: string): void {
    if (!this.#isQuiet && this.#stream.isTTY === true) this.#stream.write(`gomqctl: ${text}\n`)
  }
}
