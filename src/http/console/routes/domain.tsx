import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import type { DomainRow } from '../../../db/domain-row.ts';
import { domainEvents, domainIncidents } from '../../../db/domain-timeline.ts';
import { findDomain } from '../../../db/domains.ts';
import { domainNotifications } from '../../../db/notification-reads.ts';
import { addressesOf, domainObservations } from '../../../db/probe-reads.ts';
import { AppError } from '../../../errors.ts';
import { normalizeDomain } from '../../../lifecycle/domain-name.ts';
import { failurePolicies } from '../../../lifecycle/types.ts';
import { changeSettings } from '../../custom-domains.ts';
import { probeNow } from '../../domain-probe.ts';
import type { HttpEnv } from '../../env.ts';
import { strictQuery } from '../../filters.ts';
import { readForm } from '../../form.ts';
import { check } from '../../input.ts';
import { sees, visible } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { attempt } from '../attempt.ts';
import { csvAnswer, type CsvColumn } from '../csv.ts';
import { type History, timelineKinds } from '../domain-timeline.tsx';
import { answerPage, seeOther } from '../page.tsx';
import { DomainPage, domainTitle } from '../pages/domain.tsx';
import { PolicySheet } from '../pages/policy.tsx';
import { readFilters } from '../query.ts';

const query = strictQuery({
  show: v.optional(v.picklist(timelineKinds, `must be one of ${timelineKinds.join(', ')}`), 'all'),
  did: v.optional(v.picklist(['probe'], 'must be probe')),
});
const mostEvents = 50;
const mostOthers = 50;
const mostIncidents = 20;

const nameOf = (c: Context<HttpEnv>): string => {
  const name = normalizeDomain(c.req.param('domain') ?? '');
  if (name === null) throw new AppError('bad_request', 'The domain in the address must be a host name');
  return name;
};

const found = async (c: Context<HttpEnv>): Promise<DomainRow> => {
  const row = visible(c, await findDomain(c.var.ctx.db, nameOf(c)));
  if (row === null) throw new AppError('not_found', 'This domain is not registered');
  return row;
};

const historyOf = async (c: Context<HttpEnv>, row: DomainRow): Promise<History> => {
  const { db } = c.var.ctx;
  const [events, incidents, probes, notifications] = await Promise.all([
    domainEvents(db, row, { limit: mostEvents }),
    domainIncidents(db, row, mostIncidents),
    domainObservations(db, row.id, mostOthers),
    domainNotifications(db, row.id, mostOthers),
  ]);
  // What was over before the domain changed hands stays with its former owner.
  return { events, incidents: incidents.filter((one) => sees(c, one)), probes, notifications };
};

const show = async (c: Context<HttpEnv>) => {
  const { db, now } = c.var.ctx;
  const { show: kind, did } = readFilters(c, query);
  const row = await found(c);
  const [addresses, history] = await Promise.all([
    addressesOf(db, row.id),
    attempt(c, 'the timeline', historyOf(c, row)),
  ]);
  return answerPage(
    c,
    { title: domainTitle({ row, addresses }, now()) },
    <DomainPage {...{ row, addresses, history }} show={kind} probing={did === 'probe'} />,
  );
};

const pathOf = (name: string): string => `domains/${encodeURIComponent(name)}`;

const probe = async (c: Context<HttpEnv>) => {
  const name = nameOf(c);
  await probeNow(c, { name });
  return seeOther(c, `${pathOf(name)}?did=probe`);
};

const askPolicy = async (c: Context<HttpEnv>) => {
  const row = await found(c);
  return answerPage(c, { title: `Failure policy for ${row.domain}` }, <PolicySheet row={row} />);
};

const policyForm = v.object({
  policy: v.picklist(failurePolicies, `must be one of ${failurePolicies.join(', ')}`),
});

const setPolicy = async (c: Context<HttpEnv>) => {
  const { policy } = check(policyForm, Object.fromEntries(await readForm(c)));
  const row = await found(c);
  await changeSettings(c, { id: row.id, patch: { failurePolicy: policy } });
  return seeOther(c, pathOf(row.domain));
};

type Seen = Awaited<ReturnType<typeof addressesOf>>[number];
const seenColumns: readonly CsvColumn<Seen>[] = [
  'address',
  'certificate_ref',
  'tls_not_after',
  'verdict',
  'error',
  'depth',
  'checked_at',
].map((name) => ({ name, value: (row) => row[name as Exclude<keyof Seen, 'details'>] }));

const downloadAddresses = async (c: Context<HttpEnv>) => {
  const row = await found(c);
  return csvAnswer(c, {
    name: 'addresses',
    columns: seenColumns,
    read: async () => ({ rows: await addressesOf(c.var.ctx.db, row.id), next: null }),
  });
};

const viewer = page({ role: 'viewer', scope: 'org' });

/** A domain, what can be done with it, and the export of what its addresses serve. */
export const domainPages = () =>
  new Hono<HttpEnv>()
    .get('/console/domains/:domain', viewer, show)
    .get(
      '/console/domains/:domain/addresses.csv',
      page({ role: 'viewer', scope: 'org', changes: 'list.export' }),
      downloadAddresses,
    )
    .post('/console/domains/:domain/probe', page({ role: 'operator', scope: 'org', changes: 'domain.probe' }), probe)
    .get('/console/domains/:domain/policy', page({ role: 'admin', scope: 'org' }), askPolicy)
    .post(
      '/console/domains/:domain/policy',
      page({ role: 'admin', scope: 'org', changes: 'domain.change' }),
      setPolicy,
    );
