export {
  ERROR_TABLE,
  type ErrorCode,
  type ErrorEntry,
  GomqError,
  type Headers,
  type Offset,
} from '@gomq/protocol'
export type { PublishAck } from '../session/publish-batch.js'
export { type ClientEvents, GomqClient } from './client.js'
export { connect } from './connect.js'
export type { Compression, ConnectOptions, WillOptions } from './connect-options.js'
export { Message, type ReplyOptions } from './message.js'
export type { OutgoingMessage, PublishOptions, SubscribeFrom, SubscribeOptions } from './options.js'
export type { PublishAllOptions, PublishAllResult, PublishSource } from './publish-all.js'
export type { RequestOptions } from './requester.js'
export type { SchemaInput, SchemaIssue, SchemaOutput, SchemaResult, StandardSchema } from './standard-schema.js'
export { Subscription } from './subscription.js'
export { InvalidMessageError, InvalidValueError, TypedMessage } from './typed-message.js'
export { type TypedSubscribeOptions, TypedSubscription, TypedTopic } from './typed-topic.js'
