import type { Context } from 'hono';
import * as v from 'valibot';
import { AppError } from '../errors.ts';
import { readBody } from './body.ts';
import type { HttpEnv } from './env.ts';

/** `true` or `false` exactly, as a query parameter. */
export const queryFlag = v.pipe(
  v.picklist(['true', 'false'], 'must be true or false'),
  v.transform((value) => value === 'true'),
);

/** A limit within 1..max, as a query parameter. */
export const queryLimit = (max: number, fallback: number) =>
  v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,6}$/, `must be a whole number from 1 to ${max}`),
      v.transform(Number),
      v.minValue(1, `must be a whole number from 1 to ${max}`),
      v.maxValue(max, `must be a whole number from 1 to ${max}`),
    ),
    String(fallback),
  );

const problemsOf = (issues: readonly v.BaseIssue<unknown>[]): string =>
  issues
    .slice(0, 5)
    .map((issue) => `${v.getDotPath(issue) ?? 'body'} ${issue.message}`)
    .join('; ');

/** Checks a value against a schema; throws `bad_request` that names the field and the rule, never the value. */
export const check = <S extends v.GenericSchema>(schema: S, value: unknown): v.InferOutput<S> => {
  const result = v.safeParse(schema, value, { abortPipeEarly: true });
  if (!result.success) throw new AppError('bad_request', problemsOf(result.issues));
  return result.output;
};

/** The query string against a strict schema: a parameter that is not known, or given twice, is an error. */
export const readQuery = <S extends v.GenericSchema>(c: Context<HttpEnv>, schema: S): v.InferOutput<S> => {
  const all = c.req.queries();
  const twice = Object.keys(all).find((name) => (all[name]?.length ?? 0) > 1);
  if (twice !== undefined) throw new AppError('bad_request', 'A query parameter is given more than once');
  return check(schema, c.req.query());
};

const maxBody = 256 * 1024;

/** A JSON body against a schema; an empty body counts as `{}`. */
export const readJson = async <S extends v.GenericSchema>(
  c: Context<HttpEnv>,
  schema: S,
): Promise<v.InferOutput<S>> => {
  const bytes = await readBody(c, maxBody);
  if (bytes.length === 0) return check(schema, {});
  const type = c.req.header('content-type') ?? '';
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type))
    throw new AppError('unsupported_media_type', 'Send the body as application/json');
  const json = parseJsonBytes(bytes);
  // A strict object schema would take a list for an object without members.
  if (Array.isArray(json)) throw new AppError('bad_request', 'The body must be a JSON object');
  return check(schema, json);
};

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes strict UTF-8 and parses JSON; `bad_request` when it is neither. */
export const parseJsonBytes = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    throw new AppError('bad_request', 'The body is not valid JSON in UTF-8');
  }
};

/** Keyset cursors are opaque to callers: base64url of a JSON array of strings. */
export const encodeCursor = (...parts: readonly string[]): string =>
  Buffer.from(JSON.stringify(parts)).toString('base64url');

const cursorShape = (length: number) => v.pipe(v.array(v.string()), v.length(length));

export const decodeCursor = (cursor: string, length: number): string[] => {
  try {
    return v.parse(cursorShape(length), JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
  } catch {
    throw new AppError('bad_request', 'cursor is not one that this list gave out');
  }
};
