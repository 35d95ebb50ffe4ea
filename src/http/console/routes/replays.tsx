import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { countChanged, listReplays, readReplayFailures, type ReplayRow } from '../../../db/replays.ts';
import { replayStates } from '../../../db/schema-replays.ts';
import type { HttpEnv } from '../../env.ts';
import { filterText, strictBody, strictQuery } from '../../filters.ts';
import { readForm } from '../../form.ts';
import { check, encodeCursor } from '../../input.ts';
import { changeReplay, executeReplay, planReplay, type ReplayAct, theReplay, viewOfReplay } from '../../replay-acts.ts';
import { executeBody, filterOf, planBody } from '../../replay-input.ts';
import { placeOf, replayIdOf } from '../../replays.ts';
import { orgOf } from '../../scope.ts';
import { page } from '../../sessions.ts';
import { csvAnswer, type CsvColumn } from '../csv.ts';
import { answerPage, seeOther } from '../page.tsx';
import { CancelSheet } from '../pages/replay-cancel.tsx';
import { PlanPage } from '../pages/replay-plan.tsx';
import { ReplayPage, replayTitle } from '../pages/replay.tsx';
import { ReplaysPage } from '../pages/replays.tsx';
import { readFilters } from '../query.ts';
import { givenReason } from '../reason.ts';

const size = 50;
const exportSize = 500;
// Beyond this, telling how many of a plan's events have changed would hold up the page.
const mostCompared = 200_000;

const planForm = strictBody(planBody);
const executeForm = strictBody(executeBody);
const listQuery = strictQuery({
  state: v.optional(v.picklist(replayStates, `must be one of ${replayStates.join(', ')}`)),
  orgId: v.optional(filterText(200)),
  cursor: v.optional(filterText(200)),
});

const numeric = new Set(['since', 'until', 'ratePerSecond']);
const flags = new Set(['force', 'resetRetry']);

const valueOf = (name: string, text: string): string | number | boolean => {
  if (numeric.has(name) && /^\d{1,15}$/.test(text)) return Number(text);
  return flags.has(name) ? text === 'true' : text;
};

/** The fields of a form as a body would hold them; ticked rows are the `ids`, and fields left empty are absent. */
const bodyOf = (form: URLSearchParams): Record<string, unknown> => {
  const ids = form.getAll('id');
  const named = [...form].filter(([name, text]) => name !== 'id' && text !== '');
  return {
    ...Object.fromEntries(named.map(([name, text]) => [name, valueOf(name, text)])),
    ...(ids.length > 0 && { ids }),
  };
};

const plan = async (c: Context<HttpEnv>) => {
  const body = check(planForm, bodyOf(await readForm(c)));
  const { force, resetRetry, reason, ratePerSecond } = body;
  const filter = filterOf(body, orgOf(c, body.orgId));
  const { id } = await planReplay(c, { filter, force, resetRetry, reason, ratePerSecond });
  return seeOther(c, `replays/${id}`);
};

const planned = async (c: Context<HttpEnv>, row: ReplayRow) => {
  const { db, now } = c.var.ctx;
  const expired = row.expires_at.getTime() <= now();
  const compared = !expired && !row.force && row.total <= mostCompared;
  const changed = compared ? await countChanged(db, row.id) : 0;
  const replay = viewOfReplay(row);
  return answerPage(c, { title: `Plan ${row.id}` }, <PlanPage {...{ replay, changed, expired }} />);
};

const detail = async (c: Context<HttpEnv>) => {
  const row = await theReplay(c, replayIdOf(c));
  if (row.state === 'planned') return planned(c, row);
  const failures = await readReplayFailures(c.var.ctx.db, row.id);
  const replay = viewOfReplay(row);
  return answerPage(c, { title: replayTitle(replay) }, <ReplayPage {...{ replay, failures }} />);
};

const execute = async (c: Context<HttpEnv>) => {
  const id = replayIdOf(c);
  const form = await readForm(c);
  const reason = givenReason(form);
  const { ratePerSecond } = check(executeForm, { ...bodyOf(form), reason });
  await executeReplay(c, { id, ratePerSecond, reason });
  return seeOther(c, `replays/${id}`);
};

/** The two pages that have the buttons; anything else leads to the replay itself. */
const backOf = (form: URLSearchParams, id: number): string =>
  form.get('back') === 'dead-letters' ? 'dead-letters' : `replays/${id}`;

const act = (what: ReplayAct) => async (c: Context<HttpEnv>) => {
  const id = replayIdOf(c);
  const form = await readForm(c);
  const reason = what === 'cancel' ? givenReason(form) : null;
  await changeReplay(c, { id, act: what, reason });
  return seeOther(c, backOf(form, id));
};

const askCancel = async (c: Context<HttpEnv>) => {
  const replay = viewOfReplay(await theReplay(c, replayIdOf(c)));
  return answerPage(c, { title: `Cancel the rest of replay ${replay.id}` }, <CancelSheet replay={replay} />);
};

const askedOf = (c: Context<HttpEnv>) => {
  const { cursor, state, orgId } = readFilters(c, listQuery);
  return { filter: { state, orgId: orgOf(c, orgId) }, before: placeOf(cursor) };
};

const list = async (c: Context<HttpEnv>) => {
  const { filter, before } = askedOf(c);
  const { replays, next } = await listReplays(c.var.ctx.db, filter, { limit: size, before });
  const shown = { replays: replays.map(viewOfReplay), next: next === null ? null : encodeCursor(String(next)) };
  return answerPage(c, { title: 'Replays' }, <ReplaysPage {...shown} state={filter.state} size={size} />);
};

const exported = [
  'id',
  'state',
  'total',
  'applied',
  'failed_again',
  'skipped',
  'rate_per_second',
  'force',
  'planned_by',
  'executed_by',
  'reason',
  'org_id',
  'created_at',
  'executed_at',
  'finished_at',
] as const satisfies readonly (keyof ReplayRow)[];

const columns: readonly CsvColumn<ReplayRow>[] = [
  ...exported.map((name) => ({ name, value: (row: ReplayRow) => row[name] })),
  { name: 'filter', value: ({ filter }) => JSON.stringify(filter) },
];

const download = (c: Context<HttpEnv>) => {
  const { filter } = askedOf(c);
  return csvAnswer(c, {
    name: 'replays',
    columns,
    read: async (before: number | null) => {
      const { replays, next } = await listReplays(c.var.ctx.db, filter, { limit: exportSize, before });
      return { rows: replays, next };
    },
  });
};

const changes = (what: ReplayAct | 'execute' | 'plan') =>
  page({ role: 'operator', scope: 'org', changes: `replay.${what}` });

/** Bulk replays: the plan, its execution, and all that were. */
export const replayPages = () =>
  new Hono<HttpEnv>()
    .get('/console/replays', page({ role: 'viewer', scope: 'org' }), list)
    .get('/console/replays.csv', page({ role: 'viewer', scope: 'org', changes: 'list.export' }), download)
    .post('/console/replays/plan', changes('plan'), plan)
    .get('/console/replays/:id', page({ role: 'viewer', scope: 'org' }), detail)
    .post('/console/replays/:id/execute', changes('execute'), execute)
    .post('/console/replays/:id/pause', changes('pause'), act('pause'))
    .post('/console/replays/:id/resume', changes('resume'), act('resume'))
    .get('/console/replays/:id/cancel', page({ role: 'operator', scope: 'org' }), askCancel)
    .post('/console/replays/:id/cancel', changes('cancel'), act('cancel'));
