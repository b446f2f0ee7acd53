import { type Command, Option } from 'commander'
import type { DumpFlags, LogOptions, LogRequest } from './log-request.js'
import { parseOffset } from './options.js'

/** Adds the commands that work on a data directory, without a broker. */
export function addLogCommands(
  program: Command,
  run: (request: LogRequest, options: LogOptions) => Promise<void>,
): void {
  const log = program.command('log').description('check, print, repair, back up and restore a data directory')
  const act = (request: LogRequest) => {
    const { json = false, quiet = false } = program.opts<Partial<LogOptions>>()
    return run(request, { json, quiet })
  }
  log
    .command('verify')
    .description('check every file of a data directory and name every damage')
    .argument('<directory>')
    .option('--live', 'beside a broker that works: without the lock, and what it may be writing now is not judged')
    .action((directory: string, { live = false }: { live?: boolean }) => act({ action: 'verify', directory, live }))
  log
    .command('dump')
    .description('print what is in the files of a log: messages, or batches, or control records')
    .argument('<directory>')
    .addOption(new Option('-f, --from <start>', 'first offset').argParser(parseOffset))
    .addOption(new Option('--to <offset>', 'offset to stop before').argParser(parseOffset))
    .option('--control', 'control records in the place of messages: number of the type, version, body')
    .option('--batches', 'batches in the place of messages')
    .addOption(
      new Option('--values <values>', 'how values are printed').choices(['text', 'base64', 'none']).default('text'),
    )
    .option('--live', 'beside a broker that works; what it writes now may come or not')
    .action((directory: string, flags: DumpFlags) =>
      act({ action: 'dump', directory, topics: program.opts<{ topic?: string[] }>().topic ?? [], ...flags }),
    )
  log
    .command('repair')
    .description('print what a repair of a damaged data directory would do and lose; --apply does it')
    .argument('<directory>')
    .option('--apply', 'do it; what is damaged is kept in a folder of the data directory')
    .action((directory: string, { apply = false }: { apply?: boolean }) => act({ action: 'repair', directory, apply }))
  log
    .command('backup')
    .description('copy a data directory, while its broker works or not: all that was acknowledged until now')
    .argument('<directory>')
    .argument('<target>', 'a new directory, or an empty one')
    .option('--verify', 'read the backup again when it is written')
    .action((directory: string, target: string, { verify = false }: { verify?: boolean }) =>
      act({ action: 'backup', directory, target, verify }),
    )
  log
    .command('restore')
    .description('make a data directory from a backup, under a new identity')
    .argument('<backup>')
    .argument('<directory>', 'a new directory, or an empty one')
    .action((backup: string, directory: string) => act({ action: 'restore', backup, directory }))
}
