import type { DomainRow } from '../db/domain-row.ts';
import type { Saved } from '../db/domains.ts';
import type { Change } from './audited.ts';

/** What people set; the rest of a row follows from events, looks and the clock. Never the verification token. */
const settings = [
  'org_id',
  'verified',
  'last_verified_at',
  'tls_mode',
  'region',
  'probe_address',
  'starttls',
  'probe_mode',
  'cert_failure_policy',
  'expiry_warn_percent',
  'ca_directory',
] as const satisfies readonly (keyof DomainRow)[];

type Settings = Partial<Pick<DomainRow, (typeof settings)[number]>>;

const pick = (row: DomainRow, wanted: (name: (typeof settings)[number]) => boolean): Settings =>
  Object.fromEntries(settings.filter(wanted).map((name) => [name, row[name]]));

const isSame = (one: unknown, two: unknown): boolean => JSON.stringify(one) === JSON.stringify(two);

type Action = 'domain.create' | 'domain.change' | 'domain.verify' | 'domain.delete';

const of = (action: Action, row: DomainRow, change: Pick<Change, 'before' | 'after'>): Change => ({
  action,
  object: { type: 'domain', id: row.domain },
  orgId: row.org_id,
  ...change,
});

/** A new domain with the settings it has; or of a known one the settings that differ, null where none do. */
export const savedChange = (
  { before, domain }: Saved,
  action: 'domain.change' | 'domain.verify' = 'domain.change',
): Change | null => {
  if (before === null) return of('domain.create', domain, { after: pick(domain, (name) => domain[name] !== null) });
  const differs = (name: (typeof settings)[number]): boolean => !isSame(before[name], domain[name]);
  if (!settings.some(differs)) return null;
  return of(action, domain, { before: pick(before, differs), after: pick(domain, differs) });
};

/** A domain that is gone, with the settings it had. */
export const removedChange = (row: DomainRow): Change =>
  of('domain.delete', row, { before: pick(row, (name) => row[name] !== null) });
