import type { Context } from 'hono';
import * as v from 'valibot';
import { AppError } from '../errors.ts';
import { normalizeDomain } from '../lifecycle/domain-name.ts';
import { parseTime } from '../lifecycle/time.ts';
import type { HttpEnv } from './env.ts';
import { check, decodeCursor } from './input.ts';

/** A query in which every parameter is named; any other is an error. */
export const strictQuery = <T extends v.ObjectEntries>(entries: T) =>
  v.strictObject(entries, 'is not a known parameter');

/** A body in which every member is named; any other is an error. */
export const strictBody = <T extends v.ObjectEntries>(entries: T) => v.strictObject(entries, 'is not a known field');

/** Text of at most `max` characters that PostgreSQL can compare with. */
export const filterText = (max: number) =>
  v.pipe(
    v.string('must be a string'),
    v.minLength(1, 'must not be empty'),
    v.maxLength(max, `must have at most ${max} characters`),
    v.check(
      (text) => !text.includes('\0') && text.isWellFormed(),
      'must not hold NUL characters or unpaired surrogates',
    ),
  );

/** An RFC 3339 time or epoch milliseconds, as a query parameter; becomes epoch milliseconds. */
export const queryTime = v.pipe(
  v.string(),
  v.rawTransform<string, number>(({ dataset, addIssue, NEVER }) => {
    const epoch = parseTime(/^\d+$/.test(dataset.value) ? Number(dataset.value) : dataset.value);
    if (epoch !== null) return epoch;
    addIssue({ message: 'must be an RFC 3339 time or epoch milliseconds' });
    return NEVER;
  }),
  v.metadata({ description: 'RFC 3339 time or epoch milliseconds' }),
);

/** An RFC 3339 time or epoch milliseconds in a body; becomes epoch milliseconds. */
export const bodyTime = v.pipe(
  v.union([v.string(), v.number()], 'must be an RFC 3339 time or epoch milliseconds'),
  v.rawTransform<string | number, number>(({ dataset, addIssue, NEVER }) => {
    const epoch = parseTime(dataset.value);
    if (epoch !== null) return epoch;
    addIssue({ message: 'must be an RFC 3339 time or epoch milliseconds' });
    return NEVER;
  }),
);

/** A host name, as a query parameter; becomes the form in which names are kept. */
export const queryDomain = v.pipe(
  v.string(),
  v.rawTransform<string, string>(({ dataset, addIssue, NEVER }) => {
    const name = normalizeDomain(dataset.value);
    if (name !== null) return name;
    addIssue({ message: 'must be a host name' });
    return NEVER;
  }),
);

/** A note or reason in a body: at most 2000 characters; null, empty and absent are the same. */
export const remark = v.pipe(
  v.optional(v.nullable(v.union([v.literal(''), filterText(2000)], 'must be text of at most 2000 characters')), null),
  v.transform((text) => (text === '' ? null : text)),
);

const uuid = v.pipe(v.string(), v.uuid('must be a UUID'));

/** The `:id` of the path; anything but a UUID is `bad_request`. */
export const pathId = (c: Context<HttpEnv>): string =>
  check(v.object({ id: uuid }), { id: c.req.param('id') }).id.toLowerCase();

/** The id that a cursor of a list by id stands for; null without a cursor. */
export const idOfCursor = (cursor: string | undefined): string | null => {
  if (cursor === undefined) return null;
  const [id] = decodeCursor(cursor, 1);
  if (!v.is(uuid, id)) throw new AppError('bad_request', 'cursor is not one that this list gave out');
  return id;
};
