/** Numbers of the packets; the verbs are MQTT's. Retired numbers are never used again. */
export const PacketType = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  // 5 to 7 are reserved for the two-step QoS 2 (PUBREC, PUBREL, PUBCOMP).
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
  PINGREQ: 12,
  PINGRESP: 13,
  DISCONNECT: 14,
  DELIVER: 15,
  ACK: 16,
  ACKED: 17,
  CREDIT: 18,
  TAIL: 19,
  ERROR: 20,
  LAGREQ: 21,
  LAGRESP: 22,
  MISSED: 23,
} as const
