export { crc32 } from './crc32.js'
export { deflate, inflate } from './deflate.js'
export { systemRandom } from './system-random.js'
