import { baseOffsetOf, decodePacket, FrameSplitter, PacketType } from '@gomq/protocol'

const FRAME_BYTES_MAX = 64 * 1024 * 1024
/** Enough of a batch to read its base offset. */
const HEAD_BYTES = 64
const BATCH_MAGIC = 'GMQB'
const NEVER = Number.POSITIVE_INFINITY

/** What {@link SyncAudit} traces, for `-e trace=`. */
export const AUDITED_CALLS = 'openat,write,writev,pwrite64,pwritev,fdatasync,fsync,sendto,sendmsg'

interface SegmentFile {
  /** Line at which it was sure to survive a power failure: 0 if it was there before the trace, else the first sync of its directory after it was made. */
  durableAt: number
  /** Batches whose write has ended, by base offset, and that no sync has covered. */
  written: BatchWrite[]
  /** A batch of which a part is written. */
  begun: BatchWrite | undefined
}

interface BatchWrite {
  readonly file: SegmentFile
  /** Line at which a sync that covers it had ended. */
  syncedAt: number
}

interface Call {
  readonly name: string
  /** Path or socket of the first argument. */
  readonly target: string
  readonly args: string
  /** Done at the moment the call ends. */
  readonly finish: (result: number) => void
}

/**
 * Reads the trace of a broker, as `strace -f -y -s 1048576` writes it into a file, with times or without, and holds each PUBACK that left against
 * what was on the disk by then: its batch was written, a sync of the file began after that and ended well, and if the file was new, so did a
 * sync of its directory. The order of lines counts: a line is written when the call begins, or has ended.
 */
export class SyncAudit {
  /** PUBACKs that left the broker. */
  acks = 0
  /** Syncs of segment files that ended well. */
  syncs = 0
  /** Those of them that were made by the process's first thread, whose event loop waited for them. */
  syncsOnLoop = 0
  /** Syncs that failed on that thread. */
  failedOnLoop = 0
  /** Segment files that were made. */
  segmentsMade = 0
  /** PUBACKs that left after a sync had failed. */
  acksAfterFailure = 0
  /** Syncs that failed, of files and directories. */
  failedSyncs = 0
  /** What should not have been; the first hundred. */
  readonly violations: string[] = []
  readonly #files = new Map<string, SegmentFile>()
  readonly #batches = new Map<number, BatchWrite>()
  readonly #sockets = new Map<string, FrameSplitter>()
  /** Calls that have begun and not ended, by thread. */
  readonly #unfinished = new Map<string, Call>()
  #lines = 0
  /** Which thread is the first. */
  #loop: string | undefined

  /** Takes the next line of the trace. */
  line(text: string): void {
    this.#lines++
    const [, thread, rest] = /^(\d+) +(?:\d+\.\d+ )?(.*)$/s.exec(text) ?? []
    if (thread === undefined || rest === undefined) return
    this.#loop ??= thread
    const isOnLoop = thread === this.#loop
    const resumed = /^<\.\.\. \w+ resumed>/.test(rest)
    const call = resumed ? this.#unfinished.get(thread) : this.#begin(rest, isOnLoop)
    if (call === undefined) return
    if (rest.endsWith('<unfinished ...>')) {
      this.#unfinished.set(thread, call)
      return
    }
    this.#unfinished.delete(thread)
    // The result stands behind the last equals sign that is none of an argument.
    const result = /.*\) += (-?\d+)/s.exec(rest.slice(-400))?.[1]
    if (result !== undefined) call.finish(Number(result))
  }

  #begin(text: string, isOnLoop: boolean): Call | undefined {
    const [, name, fd, target = '', args] = /^(\w+)\((?:(\w+)(?:<([^>]*)>)?)?,? ?(.*)$/s.exec(text) ?? []
    // What the broker prints may go through sockets as well.
    if (name === undefined || args === undefined || fd === '1' || fd === '2') return undefined
    const call = (finish: Call['finish']): Call => ({ name, target, args, finish })
    if (name === 'openat') return call(this.#open(args))
    if (name === 'fdatasync' || name === 'fsync') return call(this.#sync(target, isOnLoop))
    if (target.startsWith('socket:') || target.startsWith('TCP')) return call(this.#send(target, args))
    if (isSegment(target)) return call(this.#write(target, args))
    return undefined
  }

  #open(args: string): Call['finish'] {
    const [, path = '', flags = ''] = /"([^"]*)", ([A-Z_|]+)/.exec(args) ?? []
    return (result) => {
      if (result < 0 || !isSegment(path)) return
      const isMade = flags.includes('O_CREAT') && !this.#files.has(path)
      if (isMade) this.segmentsMade++
      if (!this.#files.has(path))
        this.#files.set(path, { durableAt: isMade ? NEVER : 0, written: [], begun: undefined })
    }
  }

  #sync(path: string, isOnLoop: boolean): Call['finish'] {
    // What is written while the sync runs may not be covered by it.
    const file = this.#files.get(path)
    const covered = file === undefined ? [] : [...file.written]
    const made = [...this.#files].filter(([name, { durableAt }]) => durableAt === NEVER && name.startsWith(`${path}/`))
    return (result) => {
      if (result !== 0) {
        this.failedSyncs++
        if (isOnLoop) this.failedOnLoop++
        return
      }
      for (const [, each] of made) each.durableAt = this.#lines
      if (file === undefined) return
      this.syncs++
      if (isOnLoop) this.syncsOnLoop++
      for (const batch of covered) batch.syncedAt = Math.min(batch.syncedAt, this.#lines)
      file.written = file.written.filter((batch) => batch.syncedAt === NEVER)
    }
  }

  #write(path: string, args: string): Call['finish'] {
    const file = this.#files.get(path)
    if (file === undefined) {
      this.#report(`a write to ${path}, which was not opened`)
      return () => undefined
    }
    const chunks = stringsOf(args)
    return (result) => {
      let end = 0
      if (file.begun !== undefined && result > 0) file.written.push(file.begun)
      file.begun = undefined
      for (const { bytes, length } of chunks) {
        const start = end
        end += length
        if (start >= result || Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== BATCH_MAGIC) continue
        const batch: BatchWrite = { file, syncedAt: NEVER }
        this.#batches.set(baseOffsetOf(bytes), batch)
        if (end <= result) file.written.push(batch)
        else file.begun = batch
      }
    }
  }

  #send(socket: string, args: string): Call['finish'] {
    const sent = stringsOf(args, Number.POSITIVE_INFINITY)
    // What leaves is judged by what was on the disk when the call began.
    const beganAt = this.#lines
    const { failedSyncs } = this
    return (result) => {
      if (result <= 0) return
      let splitter = this.#sockets.get(socket)
      if (splitter === undefined) this.#sockets.set(socket, (splitter = new FrameSplitter(FRAME_BYTES_MAX)))
      splitter.push(Buffer.concat(sent.map(({ bytes }) => bytes)).subarray(0, result))
      for (let frame = splitter.next(); frame !== undefined; frame = splitter.next()) {
        const packet = decodePacket(frame)
        if (packet.type !== PacketType.PUBACK) continue
        this.acks++
        if (failedSyncs > 0) this.acksAfterFailure++
        const fault = this.#faultOf(packet.baseOffset, beganAt)
        if (fault !== undefined) this.#report(`the ack of offset ${packet.baseOffset} left ${fault}`)
      }
    }
  }

  #faultOf(baseOffset: number, at: number): string | undefined {
    const batch = this.#batches.get(baseOffset)
    if (batch === undefined) return 'and its batch was never written'
    if (batch.syncedAt > at) return 'before a sync that covers its batch had ended'
    return batch.file.durableAt > at ? 'before the directory of its new segment was synced' : undefined
  }

  #report(what: string): void {
    if (this.violations.length < 100) this.violations.push(`line ${this.#lines}: ${what}`)
  }
}

function isSegment(path: string): boolean {
  return /\/log\/\d{20}(\.\d+)?\.log$/.test(path)
}

/** The strings among the arguments, with as many of their first bytes as are wanted. */
function stringsOf(args: string, bytesMax: number = HEAD_BYTES): { bytes: Uint8Array; length: number }[] {
  const found: { bytes: Uint8Array; length: number }[] = []
  for (let at = args.indexOf('"'); at >= 0; at = args.indexOf('"', at)) {
    const bytes: number[] = []
    let length = 0
    for (at++; args[at] !== '"' && at < args.length; length++) {
      let byte = args.charCodeAt(at++)
      if (byte === 92) {
        const escaped = ESCAPES[args[at]!]
        if (escaped !== undefined) at++
        byte = escaped ?? 0
        for (let digits = 0; escaped === undefined && digits < 3 && isOctal(args.charCodeAt(at)); digits++)
          byte = 8 * byte + args.charCodeAt(at++) - 48
      }
      if (bytes.length < bytesMax) bytes.push(byte)
    }
    at++
    found.push({ bytes: Uint8Array.from(bytes), length })
  }
  return found
}

function isOctal(code: number): boolean {
  return code >= 48 && code <= 55
}

const ESCAPES: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, v: 11, f: 12, '"': 34, '\\': 92 }
