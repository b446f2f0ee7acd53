import { readFileSync } from 'node:fs'
import { Argument, Command, Option } from 'commander'
import type { BenchFlags, BenchKind } from './bench/bench-flags.js'
import { addBenchCommands } from './bench-commands.js'
import { commandFirst } from './command-first.js'
import { descendantsOf, pathOf } from './command-tree.js'
import { type BenchGlobals, bench } from './commands/bench.js'
import { cluster } from './commands/cluster.js'
import { completion, SHELLS, type Shell } from './commands/completion.js'
import { type ContextOptions, type ContextRequest, context } from './commands/context.js'
import { list } from './commands/list.js'
import { type ListName, lists } from './commands/lists.js'
import { log } from './commands/log.js'
import { type PolicyOptions, type PolicyRequest, policy } from './commands/policy.js'
import { type PubOptions, pub } from './commands/pub.js'
import { type SubOptions, sub } from './commands/sub.js'
import { version } from './commands/version.js'
import { applyContext, dropWeakerPassword, settingsFrom } from './context-options.js'
import { addGlobalOptions } from './global-options.js'
import { COMMAND_HELP, PROGRAM_HELP } from './help.js'
import { addLogCommands } from './log-commands.js'
import type { LogOptions, LogRequest } from './log-request.js'
import {
  type GlobalOptions,
  parseAgeMs,
  parseCount,
  parseDurationMs,
  parseFilter,
  parseFrom,
  parseHeader,
  parseSizeBytes,
  parseTombstoneMs,
  parseTtlMs,
} from './options.js'

/** What the commands do; tests put something else in their place. */
export interface Actions {
  pub(words: readonly string[], options: PubOptions, globals: GlobalOptions): Promise<void>
  sub(options: SubOptions, globals: GlobalOptions): Promise<void>
  list(globals: GlobalOptions): Promise<void>
  lists(name: ListName, globals: GlobalOptions): Promise<void>
  policy(request: PolicyRequest, globals: GlobalOptions): Promise<void>
  cluster(globals: GlobalOptions): Promise<void>
  bench(kind: BenchKind, flags: BenchFlags, globals: BenchGlobals): Promise<void>
  version(globals: GlobalOptions, ownVersion: string): Promise<void>
  context(request: ContextRequest, options: ContextOptions): Promise<void>
  log(request: LogRequest, options: LogOptions): Promise<void>
  completion(shell: Shell, program: Command): Promise<void>
}

/** This program's version. */
export function ownVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}

/** The command line. */
export function buildProgram(
  actions: Actions = { pub, sub, list, lists, policy, cluster, bench, version, context, log, completion },
): Command {
  const program = new Command('gomqctl')
  // Commands inherit these when they are made.
  program
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(errorText(text)) })
  program
    .description('Publishes to a GoMQ broker, subscribes to it and lists what it stores.')
    .usage('[options] <command>')
    .version(`gomqctl ${ownVersion()}`, '-V, --version', 'print the version of gomqctl')
    .helpOption('-h, --help', 'print help; after a command, the help of that command')
    .helpCommand('help [command]', 'print help, or the help of a command')
    .addHelpText('after', PROGRAM_HELP)
    .showHelpAfterError("Try 'gomqctl help'.")
  addGlobalOptions(program)
  addPub(program, actions)
  addSub(program, actions)
  program
    .command('list')
    .alias('ls')
    .description('print what is stored now; all topics without --topic')
    .action(() => actions.list(globalsOf(program)))
  addLists(program, actions)
  addPolicy(program, actions)
  program
    .command('cluster')
    .description('print the brokers of the cluster and how far each is, from the HTTP of any of them')
    .action(() => actions.cluster(globalsOf(program)))
  addBenchCommands(program, (kind, flags) => {
    const globals = globalsOf(program)
    // What nobody stores or acknowledges is rarely what is to be measured.
    const qos = program.getOptionValueSource('qos') === 'default' ? 1 : globals.qos
    return actions.bench(kind, flags, { ...globals, qos, gomqctlVersion: ownVersion() })
  })
  program
    .command('version')
    .description('print the version of gomqctl, and of the broker if one answers')
    .action(() => actions.version(globalsOf(program), ownVersion()))
  addContext(program, actions)
  addLogCommands(program, actions.log)
  program
    .command('completion')
    .description('print the script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell) => actions.completion(shell, program))
  for (const command of descendantsOf(program)) {
    command.addHelpText('after', COMMAND_HELP[pathOf(command)] ?? '')
    command.helpOption('-h, --help', 'print this help')
    command.showHelpAfterError(`Try 'gomqctl help ${pathOf(command).split(' ', 1)[0]}'.`)
    if (command.commands.length > 0) command.helpCommand('help [command]', 'print this help, or that of a command')
  }
  return program
}

/** Runs the command that the arguments name. @throws whatever it throws, and CommanderError for wrong arguments */
export async function parse(program: Command, args: readonly string[]): Promise<void> {
  await program.parseAsync(commandFirst(args, program), { from: 'user' })
}

function addPub(program: Command, actions: Actions): void {
  program
    .command('pub')
    .alias('publish')
    .description('publish messages: words, or lines of standard input, or all of it')
    .argument('[words...]', 'one message each; - is all of standard input as one; none: each line of standard input')
    .configureOutput({ outputError: (text, write) => write(`${errorText(text)}${adviceOnWords(text)}`) })
    .option('-l, --lines', 'one message for each line of standard input; so it is without words, too')
    .option('-k, --key <key>', 'key of the messages')
    .addOption(
      new Option('-H, --header <name=value>', 'header of the messages, may be repeated').argParser(parseHeader),
    )
    .addOption(
      new Option('--ttl <time>', 'time after which the messages are no longer delivered: 500ms, 12h, 7d').argParser(
        parseTtlMs,
      ),
    )
    .addOption(new Option('-n, --count <n>', 'publish the words, or -, so many times').argParser(parseCount))
    .addOption(new Option('--interval <time>', 'pause between messages: 500ms, 10s, 2m').argParser(parseDurationMs))
    .option('--template', 'fill in {{n}} (1, 2, ...), {{time}}, {{uuid}} and {{random:N}} (N characters)')
    .action((words: string[], options: PubOptions) => actions.pub(words, options, globalsOf(program)))
}

function addSub(program: Command, actions: Actions): void {
  program
    .command('sub')
    .alias('subscribe')
    .description('subscribe and print messages as they come')
    .addOption(
      new Option('-f, --from <start>', "'new', 'earliest', an offset, or a time such as 2026-01-31T12:00:00Z")
        .argParser(parseFrom)
        .default('new'),
    )
    .addOption(new Option('-n, --count <n>', 'end after so many messages').argParser(parseCount))
    .addOption(new Option('-W, --timeout <time>', 'end after this time: 500ms, 10s, 2m').argParser(parseDurationMs))
    .option('--exit-at-end', 'end when everything that is stored now was printed')
    .addOption(
      new Option(
        '-F, --format <format>',
        'text: the bytes and a line feed; raw: the bytes alone; json; screen: escaped, for a person ' +
          '(default: screen on a terminal, else text)',
      ).choices(['text', 'raw', 'json', 'screen']),
    )
    .option('--name <name>', 'durable subscription: goes on where it was left; needs --client-id')
    .action((options: SubOptions) => actions.sub(options, globalsOf(program)))
}

function addLists(program: Command, actions: Actions): void {
  const add = (name: ListName, description: string) =>
    program
      .command(name)
      .description(description)
      .action(() => actions.lists(name, globalsOf(program)))
  add('topics', 'print the topics that the broker knows, from its HTTP')
  add('sessions', 'print what the broker keeps for client ids, from its HTTP')
  add('subscriptions', 'print the durable subscriptions and how far each is, from its HTTP')
}

function addPolicy(program: Command, actions: Actions): void {
  const policies = program.command('policy').description('say how long messages are kept, over the HTTP of the broker')
  const filter = () => new Argument('<filter>', 'topic filter of the policy').argParser(parseFilter)
  policies
    .command('list')
    .alias('ls')
    .description('print the policies')
    .action(() => actions.lists('policies', globalsOf(program)))
  policies
    .command('get')
    .description('print the policy with this filter')
    .addArgument(filter())
    .action((filter: string) => actions.policy({ action: 'get', filter }, globalsOf(program)))
  policies
    .command('set')
    .description('set the policy of a filter, in place of the one that it has; what no option bounds is kept for ever')
    .addArgument(filter())
    .addOption(new Option('--max-age <time>', 'keep messages so long: 12h, 7d').argParser(parseAgeMs))
    .addOption(
      new Option('--max-bytes <size>', 'keep so much, of all topics together: 500MiB, 1GiB').argParser(parseSizeBytes),
    )
    .addOption(new Option('--max-count <n>', 'keep so many messages, of all topics together').argParser(parseCount))
    .option('--acked', 'remove what every durable subscription has acknowledged')
    .option('--compact', 'keep the last message of each topic and key')
    .addOption(
      new Option('--tombstone <time>', 'keep the empty last message of a key so long (default: 24h)').argParser(
        parseTombstoneMs,
      ),
    )
    .option('--dry-run', 'say what would be removed, and change nothing')
    .action((filter: string, options: PolicyOptions) =>
      actions.policy({ action: 'set', filter, options }, globalsOf(program)),
    )
  policies
    .command('remove')
    .alias('rm')
    .description('remove the policy with this filter')
    .addArgument(filter())
    .action((filter: string) => actions.policy({ action: 'remove', filter }, globalsOf(program)))
}

function addContext(program: Command, actions: Actions): void {
  const contexts = program.command('context').description('keep options under a name, for one broker each')
  const act = (request: ContextRequest) => {
    const { json = false, quiet = false } = program.opts<Partial<ContextOptions>>()
    return actions.context(request, { json, quiet })
  }
  contexts
    .command('add')
    .description('keep the options that are given as a context; a password, too, readable by you alone')
    .argument('<name>')
    .option('--replace', 'put it in the place of one that there is')
    .action((name: string, { replace = false }: { replace?: boolean }) =>
      act({ action: 'add', name, settings: settingsFrom(program), replace }),
    )
  contexts
    .command('use')
    .description('use a context from now on; none without a name')
    .argument('[name]')
    .action((name?: string) => act({ action: 'use', name }))
  contexts
    .command('list')
    .alias('ls')
    .description('print the contexts')
    .action(() => act({ action: 'list' }))
  contexts
    .command('show')
    .description('print a context, the one in use without a name; never its password')
    .argument('[name]')
    .action((name?: string) => act({ action: 'show', name }))
  contexts
    .command('remove')
    .alias('rm')
    .description('remove a context')
    .argument('<name>')
    .action((name: string) => act({ action: 'remove', name }))
}

/** What is given on the command line, in the environment and in the context that counts. */
function globalsOf(program: Command): GlobalOptions {
  applyContext(program)
  type Given = Partial<GlobalOptions> &
    Pick<GlobalOptions, 'connect' | 'http' | 'qos' | 'retain'> & { context?: string }
  const { context: _, ...given } = dropWeakerPassword(program, program.opts<Given>())
  return { ...given, topic: given.topic ?? [], json: given.json ?? false, quiet: given.quiet ?? false }
}

function errorText(text: string): string {
  return text.replace(/^error: /, 'gomqctl: ')
}

/** Commander takes every word that begins with a dash for an option. */
function adviceOnWords(text: string): string {
  const word = /^error: unknown option '(.*)'/.exec(text)?.[1]
  return word === undefined ? '' : `If '${word}' is a message, put it behind --: pub -- ${word}\n`
}
