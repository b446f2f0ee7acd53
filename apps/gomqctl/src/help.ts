/** What stands below the options in the help of the program. */
export const PROGRAM_HELP = `
Examples:
  gomqctl --topic A --connect 127.0.0.1:9000 --qos 1 --retain 1 pub hello world everyone
  gomqctl --topic A list
  gomqctl --topic 'orders/#' sub
  gomqctl help pub

Options stand before or after the command. Results go to stdout, all else to stderr.
Exit codes: 0 done, 64 usage, 65 bad data, 69 no broker, 74 output or disk failed, 75 try again,
77 refused, 78 damaged contexts, 130 Ctrl-C. A value is taken from the option, else from its
environment variable, else from the context in use, else it is the default; one named by
--context counts before the environment.
`

/** What stands below the options in the help of each command, by its name. */
export const COMMAND_HELP: Readonly<Record<string, string>> = {
  pub: `
Examples:
  gomqctl -t A -q 1 pub hello world                       two messages, stored
  gomqctl -t A -q 1 pub -- -1                             a message that begins with -
  journalctl -f | gomqctl -t logs -q 1 pub --lines        each line as it comes
  gomqctl -t image -q 1 pub - < photo.jpg                 a whole file as one message
  gomqctl -t orders/eu -q 1 -k c42 -H trace=x pub '{}'    with a key and a header
  gomqctl -t A -q 1 pub --ttl 12h 'gone tomorrow'
  gomqctl -t A pub -n 1000 --interval 100ms --template '{"n":{{n}},"at":"{{time}}"}'

With --qos 0, the default, nothing is stored: only who is subscribed now gets the message. Ends well
only when all messages are acknowledged (--qos 1); otherwise it says how many are.
`,
  sub: `
Examples:
  gomqctl -t A sub                                        what comes from now on, until Ctrl-C
  gomqctl -t 'orders/#' sub --from earliest --exit-at-end what is stored
  gomqctl -t A sub --from earliest -n 1 -F raw > photo.jpg
  gomqctl -t A sub --from 2026-01-31T12:00:00Z --json
  gomqctl -t A sub -n 1 -W 10s                            wait up to 10 seconds for one message
  gomqctl -t A sub --client-id bill --name bills          goes on after what it printed last time

Ends with 75 when --timeout comes before --count. A message of a durable subscription is
acknowledged after it was printed.
`,
  list: `
Examples:
  gomqctl list                                            all that is stored
  gomqctl -t 'orders/+' list --json | jq .value
  gomqctl -t A list | cut -f 5                            offset, time, topic, key, value

A table on a terminal, tab-separated fields in a pipe.
`,
  topics: `
Examples:
  gomqctl topics                                          topic, offset of its retained message
  gomqctl topics | cut -f 1 | grep ^orders/

A topic whose messages are all in old files of the log may be missing, and one may stay for a while
after its messages have gone.
`,
  sessions: `
Examples:
  gomqctl sessions --http 127.0.0.1:8000
  gomqctl sessions --json | jq -r 'select(.connected | not) | .clientId'
`,
  subscriptions: `
Examples:
  gomqctl subscriptions                                   who lags behind, and by how much
  gomqctl subscriptions --json | jq 'select(.lag > 1000)'

LAG counts offsets to the end of the log, of all topics; UNACKED what was delivered and is not
acknowledged.
`,
  policy: `
Examples:
  gomqctl policy list                                     filters, bounds and floors
  gomqctl policy set 'metrics/#' --max-age 7d
  gomqctl policy set 'jobs/#' --acked

The most specific filter that matches a topic counts; policies never merge. Without a policy
messages are kept for ever.
`,
  'policy list': `
Examples:
  gomqctl policy list
  gomqctl policy list --json | jq -r .filter

BEFORE: messages of its topics below this offset are removed, but for those that are retained.
`,
  'policy get': `
Example:
  gomqctl policy get 'metrics/#' --json

Ends with 65 if there is none.
`,
  'policy set': `
Examples:
  gomqctl policy set 'metrics/#' --max-age 7d --max-bytes 1GiB
  gomqctl policy set 'metrics/#' --max-age 1d --dry-run   what would go
  gomqctl policy set 'jobs/#' --acked                     a work queue
  gomqctl policy set 'users/+' --compact --tombstone 48h  the last value of each key
  gomqctl policy set 'metrics/kept'                       kept for ever, whatever metrics/# says

A dry run prints the bytes that would be removed, those that would stay, and the offset.
`,
  'policy remove': `
Example:
  gomqctl policy remove 'metrics/#'

What is removed already does not come back. Ends with 65 if there is none.
`,
  cluster: `
Examples:
  gomqctl cluster --http 127.0.0.1:8000                   at any broker: the others ask the leader
  gomqctl cluster --json | jq -r .leaderId
  gomqctl pub -c b1:9000,b2:9000,b3:9000 -t t hello       finds the leader itself, and follows it

LAG: offsets behind the leader's log end. IN SYNC: has all that is acknowledged, and may lead.
EPOCH and HIGH WATERMARK are those of the cluster. If nothing goes on, stderr says why.
Ends with 75 if nobody leads.
`,
  bench: `
Examples:
  gomqctl bench pub                                       acknowledged messages a second, for 10 s
  gomqctl bench latency --rate 2000 --json

QoS is 1 unless --qos says otherwise. Everything runs in one process and event loop: producers and
consumers share a core, so that its limit may be what is measured; start several for more. Without
--topic a fresh topic below bench/ is used, so that nothing of yours is touched. What is published
stays in the broker's log until a policy lets it go. Nothing is retained; durable subscriptions are
removed at the end. Ctrl-C prints what was measured so far.
`,
  'bench pub': `
Examples:
  gomqctl bench pub -n 100000 --size 1KiB
  gomqctl bench pub --window 1                            each message waits for the one before
  gomqctl bench pub --producers 4 --topics 10 --duration 30s --interval 1s

An acknowledgement means what the broker says in it, which is printed: synced to its disk, or to
those of all brokers in sync. With --qos 0 nobody acknowledges. Latencies count from the publish,
with --rate from when it was to be. With --compression: payloads are random bytes, all the same.
Stays in the broker's log: --messages times --size.
`,
  'bench sub': `
Examples:
  gomqctl -t 'orders/#' bench sub --from earliest         what is stored, to its end
  gomqctl -t 'orders/#' bench sub --duration 30s          what comes

Needs a topic, and leaves it as it is. --messages counts for each consumer. A stored topic is
measured from the subscription on; what comes, from its first message.
`,
  'bench e2e': `
Examples:
  gomqctl bench e2e -n 100000 --consumers 3
  gomqctl bench e2e --rate 5000 --duration 1m --json

Consumers are durable subscriptions that acknowledge, with --qos 0 plain ones. Ends with 65 if a
message is missing or comes twice at a consumer; --qos 0 may lose some, which is only printed.
Without --rate latencies are those of a full window, mostly waiting.
`,
  'bench latency': `
Examples:
  gomqctl bench latency                                   1000 messages a second, for 10 s
  gomqctl bench latency --rate 100 --size 10KiB --duration 1m

Each message has its time, whatever became of those before it, and latencies count from that time:
a stall of the broker shows in all messages that it delays. What is due within --duration is sent,
however late. 'sent late by' says how late this process was itself, which is part of the latencies:
about a millisecond, since a timer is no finer. --precise is, where cores are idle.
`,
  context: `
Examples:
  gomqctl context add prod -c mq.example:9000 --username bill --password-file ~/.mq
  gomqctl context use prod
  gomqctl --context test list

Contexts are kept in $XDG_CONFIG_HOME/gomqctl/contexts.json (default: ~/.config), readable by you
alone. What is given as an option counts before a context, and the environment before one that
is not named by --context. The user and password of a context go to its own broker only.
`,
  'context add': `
Example:
  gomqctl context add prod -c mq.example:9000 --http mq.example:8000 --client-id me

Takes what is written on the command line, not what is in the environment.
`,
  'context use': `
Examples:
  gomqctl context use prod
  gomqctl context use                                     no context from now on
`,
  'context list': `
Example:
  gomqctl context list --json
`,
  'context show': `
Example:
  gomqctl context show prod
`,
  'context remove': `
Example:
  gomqctl context remove prod
`,
  log: `
Examples:
  gomqctl log verify gomq-data
  gomqctl log backup gomq-data /backups/monday --verify

These work on the files of a data directory and need no broker.
`,
  'log verify': `
Examples:
  gomqctl log verify gomq-data
  gomqctl log verify gomq-data --live --json | jq 'select(.severity == "damage")'

Ends with 65 if something is damaged. damage: a start is refused, or a read will be; repairable: the
next start makes it anew or does without; harmless: what a crash leaves. Fields in a pipe: severity,
file, bytes, offsets that are lost, batches and topics as far as an index knows them, what it is.
`,
  'log dump': `
Examples:
  gomqctl log dump gomq-data --from 1000 --to 2000
  gomqctl log dump gomq-data -t 'orders/#' --json
  gomqctl log dump gomq-data --batches --live | cut -f 1,2,11
  gomqctl log dump gomq-data --control --json

Prints all that the files hold, delivered or not. Fields: offset, time, topic, key, value; of a
batch: base and end offset, append time, epoch, records, bytes, attributes, producer, file,
position, topic.
`,
  'log repair': `
Examples:
  gomqctl log repair gomq-data                            what it would do and lose
  gomqctl log repair gomq-data --apply

Every intact batch stays at its offset; what is lost becomes a gap. Damaged files are kept in
repaired-<time> below the directory. What cannot be decided is refused. Try a backup first.
`,
  'log backup': `
Examples:
  gomqctl log backup gomq-data /backups/monday --verify   its broker may go on
  gomqctl log verify /backups/monday

The backup is a data directory with a manifest, which is written last. Damage is refused with 65.
`,
  'log restore': `
Example:
  gomqctl log restore /backups/monday gomq-data

The directory must be new or empty. Start a broker on it then; its log has a new identity.
`,
  completion: `
Examples:
  source <(gomqctl completion bash)                       in ~/.bashrc
  source <(gomqctl completion zsh)                        in ~/.zshrc
  gomqctl completion fish > ~/.config/fish/completions/gomqctl.fish
`,
  version: `
Example:
  gomqctl version --json

That no broker answers is no error.
`,
}
