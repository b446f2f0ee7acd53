import { createServer } from 'node:http'

const ANSWER = '{"accepted":true}'

/**
 * The floor of the HTTP workload: the least an HTTP server in Node must do to take a message. It reads and parses the JSON body and answers; it
 * checks nothing and keeps nothing.
 */
createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString())
    // Of HTTP/1.0, which `ab` speaks, a connection stays only behind an answer that says how long it is.
    response.writeHead(202, { 'content-type': 'application/json; charset=utf-8', 'content-length': ANSWER.length })
    response.end(ANSWER)
  })
}).listen(0, '127.0.0.1', function (this: ReturnType<typeof createServer>) {
  const address = this.address() as { port: number }
  process.stdout.write(`bare ready http=127.0.0.1:${address.port}\n`)
})

process.on('SIGTERM', () => process.exit(0))
