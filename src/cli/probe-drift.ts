import { driftStates } from '../lifecycle/types.ts';
import { printable } from './table.ts';

type Row = Readonly<Record<string, unknown>>;

/** What each state of drift says to a person; nothing where all is in step. */
const words: Readonly<Record<(typeof driftStates)[number], string | null>> = {
  in_step: null,
  stale_served: 'renewed, but the old certificate is still served',
  unknown_served: 'a certificate is served that no event spoke of',
  addresses_differ: 'the addresses do not serve the same certificate',
};

const isJudged = (row: Row): boolean =>
  row['tls_mode'] === 'termination' && row['region'] !== null && row['verified'] === true;

const textOf = (row: Row, name: string): string | null => {
  const value = row[name];
  return typeof value === 'string' ? value : null;
};

const endOf = (row: Row): number => Math.floor(Date.parse(textOf(row, 'tls_not_after') ?? '') / 1000);

/** Whether an address serves another certificate than events spoke of, as far as both can be compared: by hash, else by end. */
const isOther = (domain: Row, address: Row): boolean => {
  const [expected, served] = [textOf(domain, 'certificate_ref'), textOf(address, 'certificate_ref')];
  if (served === null) return false;
  if (expected?.startsWith('sha256:') === true) return expected.toUpperCase() !== served.toUpperCase();
  const [expectedEnd, servedEnd] = [endOf(domain), endOf(address)];
  return !Number.isNaN(expectedEnd) && !Number.isNaN(servedEnd) && expectedEnd !== servedEnd;
};

/** What events named: a hash or another name, or only an end; null where they named none. */
const expectedOf = (domain: Row): string | null => {
  const end = textOf(domain, 'tls_not_after');
  return textOf(domain, 'certificate_ref') ?? (end === null ? null : `one that ends ${end}`);
};

/**
 * How what is served stands to what events said, as `GET /v1/admin/domains/:domain` tells it.
 *
 * @returns one line about what is wrong, also within the grace of a renewal; null when nothing is, or nothing can be said
 */
export const driftLine = (domain: Row, addresses: readonly Row[]): string | null => {
  const state = driftStates.find((one) => one === domain['drift_state']);
  // A certificate that a look filled in is none that events spoke of.
  const said = domain['certificate_filled'] !== true && isJudged(domain);
  const other = said ? addresses.find((address) => isOther(domain, address)) : undefined;
  const found = state === undefined ? null : words[state];
  if (found === null && (state === 'in_step' || other === undefined)) return null;
  const where = other !== undefined && addresses.length > 1 ? ` at ${printable(other['address'])}` : '';
  const served = other === undefined ? domain['observed_certificate_ref'] : other['certificate_ref'];
  const expected = expectedOf(domain);
  const compared = expected === null ? '' : `expected ${printable(expected)}, `;
  return `${found ?? 'not yet the renewed certificate'}: ${compared}served ${printable(served)}${where}`;
};
