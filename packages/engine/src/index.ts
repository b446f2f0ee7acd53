export * from './authorizer.js'
export * from './engine.js'
export * from './engine-options.js'
export * from './outbox.js'
