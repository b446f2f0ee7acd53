import { GomqError, validateTopicFilter, validateTopicName } from '@gomq/protocol'

/** A schema of JSON Schema 2020-12, as OpenAPI 3.1 takes it. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}

/**
 * One value of a request: what the documentation says of it and how it is checked stand together. The table of a request's fields is
 * both its validator and its schema.
 */
export interface Field<T> {
  readonly schema: JsonSchema
  readonly isRequired?: boolean
  /** The checked value. @throws GomqError INVALID_ARGUMENT, INVALID_TOPIC, INVALID_FILTER */
  parse(value: unknown, name: string): T
}

/** Fields by name. */
export type FieldTable = { readonly [name: string]: Field<unknown> }

/** What a table's fields are when they are checked. */
export type Parsed<Table extends FieldTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Field<infer T> ? T | undefined : never
}

/** Refuses a request for the value of one of its fields. */
export function refuse(message: string): never {
  throw new GomqError('INVALID_ARGUMENT', message)
}

/**
 * Checks every field of a request.
 * @param what  how to call a field: `field` or `query parameter`
 * @throws GomqError  for an unknown field, a missing one, or as the fields refuse
 */
export function parseFields<Table extends FieldTable>(
  table: Table,
  given: { readonly [name: string]: unknown },
  what: string,
): Parsed<Table> {
  for (const name in given)
    if (!Object.hasOwn(table, name)) refuse(`a ${what} is unknown; allowed are ${Object.keys(table).join(', ')}`)
  const parsed: Record<string, unknown> = {}
  for (const name in table) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined
    const field = table[name]!
    if (value !== undefined) parsed[name] = field.parse(value, name)
    else if (field.isRequired) refuse(`the ${what} ${name} is missing`)
  }
  return parsed as Parsed<Table>
}

/** The schema of a JSON body with these fields. */
export function bodySchema(table: FieldTable): JsonSchema {
  const names = Object.keys(table)
  return {
    type: 'object',
    properties: Object.fromEntries(names.map((name) => [name, table[name]!.schema])),
    required: names.filter((name) => table[name]!.isRequired),
    additionalProperties: false,
  }
}

/** A topic name, as the protocol checks it. */
export function topicName(description: string): Field<string> {
  return {
    schema: { type: 'string', minLength: 1, description },
    isRequired: true,
    parse: (value, name) => {
      if (typeof value !== 'string') return refuse(`${name} is no text; name one topic`)
      validateTopicName(value)
      return value
    },
  }
}

/** A topic filter, as the protocol checks it. */
export function topicFilter(description: string): Field<string> {
  return {
    schema: { type: 'string', minLength: 1, description },
    parse: (value, name) => {
      if (typeof value !== 'string') return refuse(`${name} is no text; name one topic filter`)
      validateTopicFilter(value)
      return value
    },
  }
}

/** One or more topic filters, as the protocol checks them. */
export function topicFilters(countMax: number, description: string): Field<string[]> {
  return {
    schema: { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1, maxItems: countMax, description },
    isRequired: true,
    parse: (value, name) => {
      const filters = (Array.isArray(value) ? value : [value]) as string[]
      if (filters.length > countMax) refuse(`${name} is given ${filters.length} times; at most ${countMax} are allowed`)
      for (const filter of filters) validateTopicFilter(filter)
      return filters
    },
  }
}

/** A whole number in JSON. */
export function wholeNumber(min: number, max: number, description: string): Field<number> {
  return {
    schema: { type: 'integer', minimum: min, maximum: max, description },
    parse: (value, name) =>
      Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max
        ? (value as number)
        : refuse(`${name} is no integer from ${min} to ${max}`),
  }
}

/** A whole number in the digits of a query. */
export function digits(min: number, max: number, description: string, byDefault?: number): Field<number> {
  const schema = { type: 'integer', minimum: min, maximum: max, description }
  return {
    schema: byDefault === undefined ? schema : { ...schema, default: byDefault },
    parse: (text, name) => {
      const value = typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN
      return value >= min && value <= max
        ? value
        : refuse(`the query parameter ${name} is no integer from ${min} to ${max}`)
    },
  }
}

/** One of a few values. */
export function oneOf<const T>(values: readonly T[], description: string, byDefault?: T): Field<T> {
  const schema = { enum: values, description }
  return {
    schema: byDefault === undefined ? schema : { ...schema, default: byDefault },
    parse: (value, name) =>
      values.includes(value as T)
        ? (value as T)
        : refuse(`${name} is none of ${values.map((one) => JSON.stringify(one)).join(', ')}`),
  }
}

/** Text without lone surrogates. */
export function text(lengthMax: number, description: string): Field<string> {
  return {
    schema: { type: 'string', maxLength: lengthMax, description },
    parse: (value, name) => {
      if (typeof value !== 'string') return refuse(`${name} is no text`)
      if (value.length > lengthMax) return refuse(`${name} has ${value.length} characters; at most ${lengthMax}`)
      return isUnicode(value) ? value : refuse(`${name} holds a lone surrogate; it is no valid Unicode`)
    },
  }
}

/** Whether text is valid Unicode: no lone surrogate stands in it. */
export function isUnicode(value: string): boolean {
  return !/\p{Surrogate}/u.test(value)
}
