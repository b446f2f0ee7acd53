export { startTestBroker, TestBroker, type TestBrokerOptions } from './test-broker.js'
