export * from './engine.js'
export * from './outbox.js'
