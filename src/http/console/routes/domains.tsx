import { type Context, Hono } from 'hono';
import type { DomainRow } from '../../../db/domain-row.ts';
import { regionSummary } from '../../../db/domain-summary.ts';
import type { HttpEnv } from '../../env.ts';
import { orgOf } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { attempt } from '../attempt.ts';
import { csvAnswer, type CsvColumn } from '../csv.ts';
import { assertServed, domainsQuery, findDomains, numberOf } from '../domain-search.ts';
import { answerPage } from '../page.tsx';
import { DomainsPage, domainsTitle } from '../pages/domains.tsx';
import { readFilters } from '../query.ts';

const size = 50;
const exportSize = 500;

const askedOf = (c: Context<HttpEnv>) => {
  const { cursor, ...filters } = readFilters(c, domainsQuery);
  const asked = { ...filters, orgId: orgOf(c, filters.orgId) };
  assertServed(asked);
  return { cursor, asked };
};

const list = async (c: Context<HttpEnv>) => {
  const { db, now } = c.var.ctx;
  const { cursor, asked } = askedOf(c);
  const [{ rows, next }, total, regions] = await Promise.all([
    findDomains(db, asked, { limit: size, now: now(), cursor }),
    numberOf(db, asked),
    attempt(c, 'the regions', regionSummary(db, asked.orgId)),
  ]);
  const names = (regions ?? []).map(({ region }) => region);
  return answerPage(
    c,
    { title: domainsTitle({ total, asked }) },
    <DomainsPage {...{ rows, next, total, asked, size }} regions={names} />,
  );
};

const exported = [
  'domain',
  'org_id',
  'region',
  'verified',
  'tls_mode',
  'tls_status',
  'drift_state',
  'certificate_ref',
  'tls_not_after',
  'observed_certificate_ref',
  'observed_not_after',
  'renewal_due_at',
  'renewal_due_source',
  'cert_last_event_type',
  'cert_last_event_at',
  'cert_failure_count',
  'cert_next_retry_at',
  'tls_last_error',
  'tls_last_checked_at',
  'cert_failure_policy',
] as const satisfies readonly (keyof DomainRow)[];

const columns: readonly CsvColumn<DomainRow>[] = exported.map((name) => ({ name, value: (row) => row[name] }));

const download = (c: Context<HttpEnv>) => {
  const { db, now } = c.var.ctx;
  const { asked } = askedOf(c);
  return csvAnswer(c, {
    name: 'domains',
    columns,
    read: (cursor: string | null) =>
      findDomains(db, asked, { limit: exportSize, now: now(), cursor: cursor ?? undefined }),
  });
};

/** The list of domains and its export. */
export const domainListPages = () =>
  new Hono<HttpEnv>()
    .get('/console/domains', page({ role: 'viewer', scope: 'org' }), list)
    .get('/console/domains.csv', page({ role: 'viewer', scope: 'org', changes: 'list.export' }), download);
