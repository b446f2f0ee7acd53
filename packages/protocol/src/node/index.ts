export { crc32 } from './crc32.js'
export { systemRandom } from './system-random.js'
