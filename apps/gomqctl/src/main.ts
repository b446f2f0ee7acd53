import { ExitCode, explain } from './exit.js'
import { onWriteFailure } from './output.js'
import { buildProgram, parse } from './program.js'

process.stderr.on('error', () => {})
onWriteFailure(process.stdout, (error) => {
  process.stderr.write(`gomqctl: standard output takes no more: ${error.message}\n`)
  process.exitCode = ExitCode.IO
})
process.on('uncaughtException', (error) => process.exit(explain(error, process.stderr)))

try {
  await parse(buildProgram(), process.argv.slice(2))
} catch (error) {
  process.exitCode = explain(error, process.stderr)
}
