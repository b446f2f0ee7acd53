import { explain } from './exit.js'
import { buildProgram } from './program.js'

try {
  await buildProgram().parseAsync(process.argv)
} catch (error) {
  process.exitCode = explain(error, process.stderr)
}
