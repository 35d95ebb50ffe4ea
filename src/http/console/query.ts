import type { Context } from 'hono';
import type * as v from 'valibot';
import { AppError } from '../../errors.ts';
import type { HttpEnv } from '../env.ts';
import { check } from '../input.ts';

/**
 * The filters of a page: like `readQuery`, but a field that was left empty counts as absent, because forms send every field
 * they have.
 *
 * @throws AppError `bad_request` that names the parameter and the rule
 */
export const readFilters = <S extends v.GenericSchema>(c: Context<HttpEnv>, schema: S): v.InferOutput<S> => {
  const all = c.req.queries();
  const twice = Object.values(all).some((values) => values.length > 1);
  if (twice) throw new AppError('bad_request', 'A filter is given more than once');
  return check(schema, Object.fromEntries(Object.entries(c.req.query()).filter(([, value]) => value !== '')));
};
