import { type Command, Option } from 'commander'
import {
  DEFAULT_ADDRESS,
  DEFAULT_HTTP_ADDRESS,
  parseAddresses,
  parseFlag,
  parseHttpAddress,
  parseKeepAlive,
  parseQos,
  parseSessionExpiry,
  parseTopicFilter,
  parseTopicName,
} from './options.js'

/** The options that every command takes. Each has an environment variable, which counts where the option is not given. */
export function globalOptions(): readonly Option[] {
  return [
    new Option('--context <name>', "context with options for what is not given; '' for none").env('GOMQ_CONTEXT'),
    new Option('-c, --connect <host:port>', 'the broker; several with commas between them are tried in turn')
      .env('GOMQ_CONNECT')
      .argParser(parseAddresses)
      .default(parseAddresses(DEFAULT_ADDRESS), DEFAULT_ADDRESS),
    new Option('--http <host:port>', "the broker's HTTP, for topics, sessions, subscriptions, policies and the cluster")
      .env('GOMQ_HTTP')
      .argParser(parseHttpAddress)
      .default(parseHttpAddress(DEFAULT_HTTP_ADDRESS), DEFAULT_HTTP_ADDRESS),
    new Option('-t, --topic <topic>', 'topic to publish to; filter (+, #) to subscribe to or list, may be repeated')
      .env('GOMQ_TOPIC')
      .argParser(parseTopicFilter),
    new Option('-q, --qos <0|1|2>', '0: neither stored nor acknowledged; 1: stored and acknowledged; 2: exactly once')
      .env('GOMQ_QOS')
      .argParser(parseQos)
      .default(0),
    new Option('-r, --retain <0|1>', "1: keep the message as the topic's last value")
      .env('GOMQ_RETAIN')
      .argParser(parseFlag)
      .default(false, '0'),
    ...connectionOptions(),
  ]
}

function connectionOptions(): readonly Option[] {
  return [
    new Option('--client-id <id>', 'identity of this client; needed for sub --name').env('GOMQ_CLIENT_ID'),
    new Option('--username <name>', 'who connects, for a broker that asks').env('GOMQ_USERNAME'),
    new Option('--password <password>', 'password of that user; others may see it in the list of processes').env(
      'GOMQ_PASSWORD',
    ),
    new Option('--password-file <file>', 'file with the password; a line end behind it does not belong to it').env(
      'GOMQ_PASSWORD_FILE',
    ),
    new Option('--keep-alive <s>', 'seconds between signs of life; 0: none (default: 10)')
      .env('GOMQ_KEEP_ALIVE')
      .argParser(parseKeepAlive),
    new Option(
      '--clean-session <0|1>',
      "1: forget what the broker keeps for this client; 0: keep sub's place, named or not",
    )
      .env('GOMQ_CLEAN_SESSION')
      .argParser(parseFlag),
    new Option('--no-clean-session', 'the same as --clean-session 0; needs --client-id'),
    new Option('--session-expiry <time>', 'how long the broker keeps the session: 3600s, 12h, 7d (default: 7d)')
      .env('GOMQ_SESSION_EXPIRY')
      .argParser(parseSessionExpiry),
    new Option('--compression <how>', 'deflate: what is published travels and is stored compressed; none: it does not')
      .env('GOMQ_COMPRESSION')
      .choices(['none', 'deflate']),
    new Option('--will-topic <topic>', 'topic of the message that the broker publishes if this client is lost')
      .env('GOMQ_WILL_TOPIC')
      .argParser(parseTopicName),
    new Option('--will-message <text>', 'that message; empty by default').env('GOMQ_WILL_MESSAGE'),
    new Option('--will-qos <0|1|2>', 'its QoS (default: 1)').env('GOMQ_WILL_QOS').argParser(parseQos),
    new Option('--will-retain <0|1>', "1: keep it as the topic's last value (default: 0)")
      .env('GOMQ_WILL_RETAIN')
      .argParser(parseFlag),
  ]
}

/** Adds the options to the program, and those that say how results are written. */
export function addGlobalOptions(program: Command): void {
  for (const option of globalOptions()) program.addOption(option)
  program
    .option('--json', 'results as JSON, one object a line')
    .option('--quiet', 'no summaries and hints on stderr, only what goes wrong')
}
