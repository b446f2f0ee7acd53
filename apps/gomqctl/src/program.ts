import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { list } from './commands/list.js'
import { type PubOptions, pub } from './commands/pub.js'
import { type SubOptions, sub } from './commands/sub.js'
import { type VersionOptions, version } from './commands/version.js'
import {
  collect,
  type GlobalOptions,
  parseCount,
  parseDurationMs,
  parseFlag,
  parseFrom,
  parseHeader,
  parseQos,
} from './options.js'

const EXAMPLES = `
Examples:
  gomqctl --topic A --connect 127.0.0.1:9000 --qos 1 --retain 1 pub hello world everyone
  gomqctl --topic A list
  gomqctl --topic 'orders/#' sub
  gomqctl --topic A sub --from earliest --count 10 --json
  journalctl -f | gomqctl --topic logs --qos 1 pub --lines
  gomqctl --topic image --qos 1 pub - < photo.jpg

Options may stand before or after the command. Results go to stdout, everything else to stderr. Environment: GOMQ_CONNECT, GOMQ_TOPIC,
GOMQ_CLIENT_ID. Exit codes: 0 done, 64 usage, 65 bad data, 69 no broker, 75 try again, 77 refused.
`

/** This program's version. */
export function ownVersion(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}

/** The command line. Options of the program are known before and after each command. */
export function buildProgram(): Command {
  const program = new Command('gomqctl')
    .description('Publishes to a GoMQ broker, subscribes to it and lists what it stores.')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(try 'gomqctl help')")
    .addOption(
      new Option('-c, --connect <host:port>', 'the broker; several separated by commas')
        .env('GOMQ_CONNECT')
        .default('127.0.0.1:9000'),
    )
    .addOption(
      new Option('-t, --topic <topic>', 'topic to publish to; filter (+, #) to subscribe to or list, may be repeated')
        .env('GOMQ_TOPIC')
        .argParser(collect),
    )
    .addOption(
      new Option('-q, --qos <0|1>', '0: not stored and not acknowledged, 1: stored and acknowledged')
        .argParser(parseQos)
        .default(0),
    )
    .addOption(
      new Option('-r, --retain <0|1>', "1: keep the message as the topic's last value")
        .argParser(parseFlag)
        .default(false),
    )
    .addOption(
      new Option('--client-id <id>', 'identity of this client; needed for durable subscriptions').env('GOMQ_CLIENT_ID'),
    )
    .option('--json', 'JSON, one object a line', false)
    .addHelpText('after', EXAMPLES)

  program
    .command('pub')
    .description(
      'publish: each word is a message; without words, each line of standard input; - is all of standard input as one',
    )
    .argument('[words...]', 'messages, or -')
    .option('-l, --lines', 'one message for each line of standard input', false)
    .option('-k, --key <key>', 'key of the messages')
    .addOption(
      new Option('-H, --header <name=value>', 'header of the messages, may be repeated').argParser(parseHeader),
    )
    .action((words: string[], options: PubOptions) => pub(words, options, globals(program)))

  program
    .command('sub')
    .description('subscribe and print messages as they come')
    .addOption(
      new Option('-f, --from <start>', "'new', 'earliest', an offset, or a time such as 2026-01-31T12:00:00Z")
        .argParser(parseFrom)
        .default('new'),
    )
    .addOption(new Option('-n, --count <n>', 'end after so many messages').argParser(parseCount))
    .addOption(new Option('-W, --timeout <time>', 'end after this time: 500ms, 10s, 2m').argParser(parseDurationMs))
    .option('--exit-at-end', 'end when everything that is stored now was printed', false)
    .addOption(
      new Option('-F, --format <format>', 'text: a line each; raw: the bytes alone; json')
        .choices(['text', 'raw', 'json'])
        .default('text'),
    )
    .option('--name <name>', 'durable subscription: goes on where it was left; needs --client-id')
    .action((options: SubOptions) => sub(options, globals(program)))

  program
    .command('list')
    .description('print what is stored now; all topics without --topic')
    .action(() => list(globals(program)))

  program
    .command('version')
    .description('print the version of gomqctl, and of the broker if one answers')
    .action((_options: VersionOptions) => version(globals(program), ownVersion()))

  for (const command of program.commands) command.exitOverride().configureHelp({ showGlobalOptions: true })
  return program
}

function globals(program: Command): GlobalOptions {
  return { ...program.opts<GlobalOptions>(), topic: program.opts<Partial<GlobalOptions>>().topic ?? [] }
}
