import { createServer } from 'node:net'
import { Aedes } from 'aedes'

/** Aedes with its defaults on a free port of the loopback. */
const broker = await Aedes.createBroker()
createServer((socket) => {
  socket.setNoDelay(true)
  broker.handle(socket)
}).listen(0, '127.0.0.1', function (this: ReturnType<typeof createServer>) {
  const address = this.address() as { port: number }
  process.stdout.write(`aedes ready tcp=127.0.0.1:${address.port}\n`)
})

process.on('SIGTERM', () => process.exit(0))
