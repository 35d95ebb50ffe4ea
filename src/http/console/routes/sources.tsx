import { type Context, Hono } from 'hono';
import * as v from 'valibot';
import { readRhythms } from '../../../db/self-watch.ts';
import { countSources, listSources, readSourceDays, type SourceRow } from '../../../db/source-reads.ts';
import { silenceOf, usualIntervalOf } from '../../../lifecycle/self-watch.ts';
import type { HttpEnv } from '../../env.ts';
import { filterText, strictQuery } from '../../filters.ts';
import { encodeCursor } from '../../input.ts';
import { page } from '../../sessions.ts';
import { senderOf, sourceFilters } from '../../sources.ts';
import { csvAnswer, type CsvColumn } from '../csv.ts';
import { answerPage } from '../page.tsx';
import { senderName, SourcesPage, sourcesTitle } from '../pages/sources.tsx';
import { readFilters } from '../query.ts';

const size = 50;
const exportSize = 500;
const query = strictQuery({ ...sourceFilters, cursor: v.optional(filterText(1000)) });

const nameOf = (row: { readonly source: string; readonly clusterId: string | null }): string =>
  senderName(row.source, row.clusterId);

const list = async (c: Context<HttpEnv>) => {
  const { db, now } = c.var.ctx;
  const { cursor, ...filter } = readFilters(c, query);
  const at = now();
  const [found, rhythms, days, total] = await Promise.all([
    listSources(db, filter, { limit: size, after: senderOf(cursor) }),
    readRhythms(db),
    readSourceDays(db, at),
    countSources(db),
  ]);
  const rhythmOf = new Map(rhythms.map((rhythm) => [nameOf(rhythm), rhythm]));
  const dayOf = new Map(days.map((day) => [nameOf(day), day.hours]));
  const silent = rhythms.flatMap((rhythm) => silenceOf(rhythm, at) ?? []).toSorted((a, b) => a.since - b.since);
  const rows = found.sources.map((row) => {
    const name = senderName(row.source, row.cluster_id);
    const rhythm = rhythmOf.get(name);
    return {
      ...row,
      hours: dayOf.get(name) ?? null,
      usualMs: rhythm === undefined ? null : usualIntervalOf(rhythm),
      silent: rhythm === undefined ? null : silenceOf(rhythm, at),
    };
  });
  const next = found.next === null ? null : encodeCursor(found.next.source, found.next.clusterId);
  return answerPage(
    c,
    { title: sourcesTitle({ silent, total }) },
    <SourcesPage {...{ rows, next, size, silent, total }} />,
  );
};

const exported = [
  'source',
  'cluster_id',
  'last_seen_at',
  'last_event_id',
  'last_event_type',
  'last_status',
  'events_total',
  'signature_failures',
] as const satisfies readonly (keyof SourceRow)[];

const columns: readonly CsvColumn<SourceRow>[] = exported.map((name) => ({ name, value: (row) => row[name] }));

const download = (c: Context<HttpEnv>) => {
  const { cursor: _place, ...filter } = readFilters(c, query);
  return csvAnswer(c, {
    name: 'sources',
    columns,
    read: async (cursor: string | null) => {
      const after = senderOf(cursor ?? undefined);
      const { sources: rows, next } = await listSources(c.var.ctx.db, filter, { limit: exportSize, after });
      return { rows, next: next === null ? null : encodeCursor(next.source, next.clusterId) };
    },
  });
};

/** Who sends events; they span organisations. */
export const sourcePages = () =>
  new Hono<HttpEnv>()
    .get('/console/sources', page({ role: 'viewer', scope: 'all' }), list)
    .get('/console/sources.csv', page({ role: 'viewer', scope: 'all', changes: 'list.export' }), download);
