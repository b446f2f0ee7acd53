export { SimDisk, type SimFaults } from './sim-disk.js'
