export { hostileText } from './hostile-text.js'
export { SeededRandom } from './seeded-random.js'
