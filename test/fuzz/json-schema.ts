/** A JSON Schema 2020-12, as far as our document uses it. */
export type Schema = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const uuid = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;
const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;

const isOfType = (type: unknown, value: unknown): boolean => {
  switch (type) {
    case 'null':
      return value === null;
    case 'integer':
      return typeof value === 'number' && Number.isInteger(value);
    case 'array':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    default:
      return typeof value === type;
  }
};

type Check = (rule: unknown, value: unknown, at: Place) => string | null;

interface Place {
  readonly where: string;
  readonly schema: Schema;
  readonly resolve: (reference: string) => Schema;
}

const when = (broken: boolean, why: string): string | null => (broken ? why : null);
const lengthOf = (text: string): number => Array.from(text).length;
// The rules of one schema object are those of the document, where lists hold schemas.
const schemas = (rule: unknown): readonly Schema[] => rule as readonly Schema[];
const asSchema = (rule: unknown): Schema => rule as Schema;
const inner = (schema: Schema, value: unknown, at: Place, name: string): string | null =>
  problemOf(schema, value, at.resolve, `${at.where}${name}`);

const members: Check = (rule, value, at) => {
  if (!isObject(value) || !isObject(rule)) return null;
  for (const [name, schema] of Object.entries(rule)) {
    const found = Object.hasOwn(value, name) ? inner(asSchema(schema), value[name], at, `.${name}`) : null;
    if (found !== null) return found;
  }
  return null;
};

const others: Check = (rule, value, at) => {
  if (!isObject(value) || rule === true) return null;
  const known = isObject(at.schema['properties']) ? at.schema['properties'] : {};
  for (const [name, member] of Object.entries(value)) {
    if (Object.hasOwn(known, name)) continue;
    if (rule === false) return `${at.where} has an unknown member ${name.slice(0, 50)}`;
    const found = inner(asSchema(rule), member, at, `.${name}`);
    if (found !== null) return found;
  }
  return null;
};

const each: Check = (rule, value, at) => {
  if (!Array.isArray(value)) return null;
  for (const [index, item] of value.entries()) {
    const found = inner(asSchema(rule), item, at, `[${index}]`);
    if (found !== null) return found;
  }
  return null;
};

const checks: Readonly<Record<string, Check>> = {
  $ref: (rule, value, at) => inner(at.resolve(String(rule)), value, at, ''),
  type: (rule, value, { where }) => {
    const types: readonly unknown[] = Array.isArray(rule) ? rule : [rule];
    return when(!types.some((type) => isOfType(type, value)), `${where} is no ${types.join(' or ')}`);
  },
  enum: (rule, value, { where }) =>
    when(Array.isArray(rule) && !rule.includes(value), `${where} is none of its values`),
  const: (rule, value, { where }) => when(rule !== value, `${where} is not its only value`),
  properties: members,
  additionalProperties: others,
  propertyNames: (rule, value, at) =>
    isObject(value)
      ? (Object.keys(value)
          .map((name) => inner(asSchema(rule), name, at, ' (name)'))
          .find((found) => found !== null) ?? null)
      : null,
  required: (rule, value, { where }) => {
    const missing = isObject(value) && Array.isArray(rule) && rule.find((name) => !Object.hasOwn(value, String(name)));
    return missing === false || missing === undefined ? null : `${where} lacks ${String(missing)}`;
  },
  items: each,
  anyOf: (rule, value, at) =>
    when(
      schemas(rule).every((schema) => inner(schema, value, at, '') !== null),
      `${at.where} fits none of ${schemas(rule).length} forms`,
    ),
  oneOf: (rule, value, at) => {
    const fitting = schemas(rule).filter((schema) => inner(schema, value, at, '') === null).length;
    return when(fitting !== 1, `${at.where} fits ${fitting} forms and should fit one`);
  },
  minLength: (rule, value, { where }) =>
    when(typeof value === 'string' && lengthOf(value) < Number(rule), `${where} is too short`),
  maxLength: (rule, value, { where }) =>
    when(typeof value === 'string' && lengthOf(value) > Number(rule), `${where} is too long`),
  pattern: (rule, value, { where }) =>
    when(typeof value === 'string' && !new RegExp(String(rule), 'u').test(value), `${where} is not of its pattern`),
  format: (rule, value, { where }) => {
    const pattern = rule === 'uuid' ? uuid : rule === 'date-time' ? dateTime : null;
    if (pattern === null) throw new Error(`the format ${String(rule)} is not known here`);
    return when(typeof value === 'string' && !pattern.test(value), `${where} is no ${String(rule)}`);
  },
  minimum: (rule, value, { where }) => when(typeof value === 'number' && value < Number(rule), `${where} is too small`),
  maximum: (rule, value, { where }) => when(typeof value === 'number' && value > Number(rule), `${where} is too large`),
  minItems: (rule, value, { where }) =>
    when(Array.isArray(value) && value.length < Number(rule), `${where} has too few items`),
  maxItems: (rule, value, { where }) =>
    when(Array.isArray(value) && value.length > Number(rule), `${where} has too many items`),
};

const silent = new Set(['description', 'default', 'title', 'examples']);

/**
 * What a value breaks of a schema, in words; null where it fits.
 *
 * @throws Error for a keyword that is not checked here: nothing is passed over in silence
 */
export const problemOf = (
  schema: Schema,
  value: unknown,
  resolve: (reference: string) => Schema,
  where = 'body',
): string | null => {
  for (const [keyword, rule] of Object.entries(schema)) {
    if (silent.has(keyword)) continue;
    const check = checks[keyword];
    if (check === undefined) throw new Error(`the keyword ${keyword} of the document is not known here`);
    const found = check(rule, value, { where, schema, resolve });
    if (found !== null) return found;
  }
  return null;
};
