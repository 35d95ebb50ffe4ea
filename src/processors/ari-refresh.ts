import type { Ctx } from '../context.ts';
import { type AriDomain, type AriQuestion, type AriWrite, claimAriDue, lockAri, saveAri } from '../db/ari.ts';
import { noteSweep } from '../db/sweeps.ts';
import { askAgainAt, type RenewalInfo } from '../lifecycle/ari.ts';
import { lookDueAt } from '../lifecycle/schedule.ts';
import { type RenewalWindow, settledView } from '../lifecycle/view.ts';
import type { AriClient } from '../probe/ari.ts';
import type { Outcome } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';

const atOnce = 20;
const leaseMs = 5 * 60_000;
const longestRunMs = 30_000;
const nothingAsked: RenewalInfo = { kind: 'none' };

/** What the CA's answer changes about a domain; null when the domain has another certificate or CA by now. */
const writeOf = (ctx: Ctx, domain: AriDomain, question: AriQuestion, info: RenewalInfo): AriWrite | null => {
  if (domain.ariId !== question.ariId || domain.directory !== question.directory) return null;
  const { config } = ctx;
  const now = ctx.now();
  const windowEnd = info.kind === 'window' ? info.endsAt : null;
  const window: RenewalWindow | null =
    windowEnd === null || domain.ariRef === null ? domain.window : { certificateRef: domain.ariRef, endsAt: windowEnd };
  const { settings, state, served, clocks } = domain;
  const truth = { settings, state, served };
  const limits = {
    now,
    warnDays: config.CERT_EXPIRY_WARN_DAYS,
    slaWarningHours: config.CERT_RENEWAL_SLA_WARNING_HOURS,
  };
  const view = settledView(truth, window, now, limits.warnDays);
  const moved = (view.renewalDue?.at ?? null) !== domain.currentDueAt;
  return {
    id: domain.id,
    windowEnd,
    renewalDue: view.renewalDue,
    ariDueAt: askAgainAt(info, now),
    lookDueAt: moved ? lookDueAt(clocks, truth, view, limits) : clocks.lookDueAt,
  };
};

const refresh = async (ctx: Ctx, client: AriClient, questions: readonly AriQuestion[]): Promise<number> => {
  const answers = new Map(
    await Promise.all(
      questions.map(async (question) => {
        const { id, directory, ariId } = question;
        // A handshake that shows the certificate's name has it asked for at once.
        const info = ariId === null ? nothingAsked : await client.renewalInfo(directory, ariId);
        if (info.kind === 'failed') ctx.log.debug({ why: info.error }, 'a CA did not say when to renew');
        return [id, { question, info }] as const;
      }),
    ),
  );
  await onDatabase(() =>
    ctx.db.sql.begin(async (tx) => {
      const domains = await lockAri(tx, [...answers.keys()]);
      const writes = domains.flatMap((domain) => {
        const answer = answers.get(domain.id);
        return answer === undefined ? [] : (writeOf(ctx, domain, answer.question, answer.info) ?? []);
      });
      await saveAri(tx, writes, ctx.now());
    }),
  );
  return [...answers.values()].filter(({ info }) => info.kind === 'window').length;
};

/** Asks CAs when certificates should be renewed (RFC 9773), for the domains that name one and whose time has come. */
export const ariRefresh = async (ctx: Ctx, client: AriClient): Promise<Outcome> => {
  const started = ctx.elapsed();
  let asked = 0;
  let windows = 0;
  while (ctx.elapsed() - started < longestRunMs) {
    const questions = await onDatabase(() => claimAriDue(ctx.db, { now: ctx.now(), leaseMs, limit: atOnce }));
    if (questions.length > 0) windows += await refresh(ctx, client, questions);
    asked += questions.length;
    if (questions.length < atOnce) break;
  }
  await onDatabase(() => noteSweep(ctx.db, 'ari', ctx.now()));
  return { kind: 'done', note: { asked, windows } };
};
