import * as v from 'valibot';
import { AppError } from '../../errors.ts';
import { queryTime } from '../filters.ts';

// What a browser's field for date and time sends; it means UTC, as its label says.
const ofField = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?$/;

/** A time in the query of a page: like that of the API, or as a field of a form sends it. Epoch milliseconds. */
export const pageTime = v.pipe(
  v.string(),
  v.transform((text) => (ofField.test(text) ? `${text.length === 16 ? `${text}:00` : text}Z` : text)),
  queryTime,
);

/** The value of a browser's field for date and time; empty for none. */
export const fieldTime = (at: number | undefined): string =>
  at === undefined ? '' : new Date(at).toISOString().slice(0, at % 60_000 === 0 ? 16 : 23);

/** @throws AppError `bad_request` when a range of time ends before it begins. */
export const assertRange = ({ since, until }: { since?: number | undefined; until?: number | undefined }): void => {
  if (since !== undefined && until !== undefined && since > until)
    throw new AppError('bad_request', 'since must not be after until');
};
