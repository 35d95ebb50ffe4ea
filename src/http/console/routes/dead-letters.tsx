import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { domainsOfLetters, listDeadLetters, unregisteredDomains } from '../../../db/dead-letter-events.ts';
import { type DeadLetterFilter, listDeadLetterGroups, readDeadLetterTotals } from '../../../db/dead-letters.ts';
import { readPolicyReport } from '../../../db/policy.ts';
import { listReplays } from '../../../db/replays.ts';
import { newDomain } from '../../../lifecycle/domain-input.ts';
import { registerDomain } from '../../custom-domains.ts';
import { cursorOf, positionOf } from '../../dead-letters.ts';
import type { HttpEnv } from '../../env.ts';
import { filterText, idOfCursor, strictQuery } from '../../filters.ts';
import { readForm } from '../../form.ts';
import { check, encodeCursor } from '../../input.ts';
import { viewOfReplay } from '../../replay-acts.ts';
import { groupsQuery } from '../../replay-input.ts';
import { orgOf } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { attempt } from '../attempt.ts';
import { csvAnswer } from '../csv.ts';
import { eventColumns } from '../event-columns.ts';
import { assertRange, pageTime } from '../page-time.ts';
import { answerPage, seeOther } from '../page.tsx';
import { DeadLettersPage, deadLettersTitle } from '../pages/dead-letters.tsx';
import { RegisterSheet } from '../pages/register.tsx';
import { readFilters } from '../query.ts';

const size = 50;
const groupsShown = 25;
const exportSize = 500;
const runningShown = 3;

const { limit: _limit, ...filters } = groupsQuery;

const listQuery = strictQuery({
  ...filters,
  since: v.optional(pageTime),
  until: v.optional(pageTime),
  groups: v.optional(filterText(200)),
});

const askedOf = (c: Context<HttpEnv>) => {
  const { cursor, groups, ...asked } = readFilters(c, listQuery);
  assertRange(asked);
  const filter: DeadLetterFilter = { ...asked, orgId: orgOf(c, asked.orgId) };
  return { filter, before: idOfCursor(cursor), after: positionOf(groups) };
};

const readRunning = async (c: Context<HttpEnv>) => {
  const { db } = c.var.ctx;
  const orgId = c.var.actor.orgId ?? undefined;
  const pages = await Promise.all(
    (['running', 'paused'] as const).map((state) =>
      listReplays(db, { state, orgId }, { limit: runningShown, before: null }),
    ),
  );
  return pages.flatMap(({ replays }) => replays.map(viewOfReplay));
};

const readGroups = async (c: Context<HttpEnv>, { filter, after }: ReturnType<typeof askedOf>) => {
  const { db, now } = c.var.ctx;
  const { groups, next } = await listDeadLetterGroups(db, filter, { limit: groupsShown, after, now: now() });
  const names = await domainsOfLetters(db, groups[0]?.oldest ?? []);
  return { groups, names, nextGroups: next === null ? null : cursorOf(next) };
};

/** How the replay policy is set; null where it is not for the actor to know, because it spans organisations. */
const modeOf = (c: Context<HttpEnv>): 'off' | 'dry-run' | 'on' | null => {
  const { config } = c.var.ctx;
  if (c.var.actor.orgId !== null) return null;
  if (config.CERT_DLQ_AUTO_REPLAY_DRY_RUN) return 'dry-run';
  return config.CERT_DLQ_AUTO_REPLAY_ENABLED ? 'on' : 'off';
};

const list = async (c: Context<HttpEnv>) => {
  const { db, config } = c.var.ctx;
  const asked = askedOf(c);
  const { filter, before } = asked;
  const [groups, totals, found, running, report] = await Promise.all([
    readGroups(c, asked),
    readDeadLetterTotals(db, filter),
    listDeadLetters(db, filter, { limit: size, before }),
    attempt(c, 'running replays', readRunning(c)),
    c.var.actor.orgId === null ? attempt(c, 'the report of the policy', readPolicyReport(db)) : null,
  ]);
  const shown = {
    ...groups,
    totals,
    filter,
    events: found.events,
    next: found.next === null ? null : encodeCursor(found.next),
    running: running ?? [],
    policy: { mode: modeOf(c), report },
    most: config.CERT_EVENT_MAX_RETRIES,
    maxReplays: config.CERT_DLQ_REPLAY_MAX_REPLAYS,
    size,
  };
  return answerPage(c, { title: deadLettersTitle(totals) }, <DeadLettersPage {...shown} />);
};

const download = (c: Context<HttpEnv>) => {
  const { filter } = askedOf(c);
  return csvAnswer(c, {
    name: 'dead-letters',
    columns: eventColumns,
    read: async (cursor: string | null) => {
      const { events, next } = await listDeadLetters(c.var.ctx.db, filter, { limit: exportSize, before: cursor });
      return { rows: events, next };
    },
  });
};

const askRegister = async (c: Context<HttpEnv>) => {
  const { filter } = askedOf(c);
  const domains = await unregisteredDomains(c.var.ctx.db, filter);
  return answerPage(c, { title: 'Register a domain' }, <RegisterSheet domains={domains} />);
};

const register = async (c: Context<HttpEnv>) => {
  const form = await readForm(c);
  const given = [...form].filter(([, text]) => text !== '');
  const { domain } = await registerDomain(c, check(newDomain, Object.fromEntries(given)));
  return seeOther(c, `domains/${encodeURIComponent(domain)}`);
};

/** What was given up, by cause and one by one. */
export const deadLetterPages = () =>
  new Hono<HttpEnv>()
    .get('/console/dead-letters', page({ role: 'viewer', scope: 'org' }), list)
    .get('/console/dead-letters.csv', page({ role: 'viewer', scope: 'org', changes: 'list.export' }), download)
    .get('/console/dead-letters/register', page({ role: 'admin', scope: 'org' }), askRegister)
    .post('/console/dead-letters/register', page({ role: 'admin', scope: 'org', changes: 'domain.create' }), register);
