import * as v from 'valibot';
import { AppError } from '../../errors.ts';
import { remark } from '../filters.ts';
import { check } from '../input.ts';

const shape = v.object({ reason: remark });

/**
 * The reason a form gives for a change; it goes to the audit log.
 *
 * @throws AppError `bad_request` when there is none
 */
export const givenReason = (form: URLSearchParams): string => {
  const { reason } = check(shape, { reason: form.get('reason')?.trim() });
  if (reason === null) throw new AppError('bad_request', 'Say why: the reason goes to the audit log');
  return reason;
};
