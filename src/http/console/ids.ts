import type { Context } from 'hono';
import * as v from 'valibot';
import { AppError } from '../../errors.ts';
import type { HttpEnv } from '../env.ts';
import { check } from '../input.ts';

const mostTicked = 200;

/** A comma list of ids, at most 200. */
export const idList = v.pipe(
  v.string(),
  v.transform((text) => text.split(',')),
  v.array(v.pipe(v.string(), v.uuid('must be an id'))),
  v.maxLength(mostTicked, `must be ${mostTicked} ids at most`),
);

const shape = v.strictObject({ ids: idList }, 'is not a known parameter');

/** A query as it came, empty fields left out; tick boxes give `id` over and over, links give `ids` once. */
export const chosenOf = (c: Context<HttpEnv>): Record<string, string> => {
  const { id: _ticked, ...rest } = c.req.query();
  const ticked = c.req.queries('id') ?? [];
  const chosen = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== ''));
  return ticked.length > 0 ? { ...chosen, ids: ticked.join(',') } : chosen;
};

/** The ids that were ticked. @throws AppError `bad_request` where there is none. */
export const tickedOf = (fields: Readonly<Record<string, string>>): string[] => {
  if (fields.ids === undefined) throw new AppError('bad_request', 'Tick rows first');
  return [...new Set(check(shape, fields).ids)];
};
