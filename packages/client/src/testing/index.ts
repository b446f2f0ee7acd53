export { Producer, type ProducerPort } from '../session/producer.js'
export type { PublishAck } from '../session/publish-batch.js'
export type { PublishRequest } from '../session/publish-request.js'
export { ClientSession, type SessionOptions } from '../session/session.js'
export type { SessionOutbox } from '../session/session-events.js'
export {
  type SubscriptionListener,
  type SubscriptionRequest,
  SubscriptionState,
} from '../session/subscription-state.js'
export type { Waiter } from '../session/waiter.js'
