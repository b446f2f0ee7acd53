export * from './etcd-coordinator.js'
export * from './tcp-transport.js'
