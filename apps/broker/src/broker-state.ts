/**
 * `recovering` until the state is there or a reign has begun, `serving` while it leads and clients may come, `following` while another broker leads or
 * none, `suspended` while it leads and its lease has run out, `stopping` from `Broker.shutdown` on, `failed` after a bug or a storage failure.
 */
export type BrokerState = 'recovering' | 'serving' | 'following' | 'suspended' | 'stopping' | 'stopped' | 'failed'
