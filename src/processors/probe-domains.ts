import type { Ctx } from '../context.ts';
import {
  knownCertificates,
  loadSubjects,
  lockProbed,
  type ProbeSubject,
  type Reach,
  releaseClaims,
} from '../db/probes.ts';
import { saveProbes } from '../db/save-probes.ts';
import { AppError, messageOf } from '../errors.ts';
import { concludeProbe, type ConcludeLimits, type ProbedDomain, type ProbeWrite } from '../lifecycle/conclude.ts';
import { needsKnown, noneKnown } from '../lifecycle/drift.ts';
import { knownServed, type Observation, observe, type Occasion } from '../lifecycle/observe.ts';
import type { KnownServed, ProbeResult } from '../lifecycle/served.ts';
import type { Prober } from '../probe/prober.ts';
import type { Outcome, Payload } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';

/** When a domain is turned to again that this machine could not look at. */
const againMs = 60_000;

/** A domain with what was found of it, and when. */
interface Found {
  readonly subject: ProbeSubject;
  readonly result: ProbeResult;
  readonly at: number;
}

interface Looked {
  readonly domain: ProbedDomain & Reach;
  readonly occasion: Occasion;
  readonly observation: Observation;
}

const known = ({ addresses }: ProbeSubject): ReadonlyMap<string, KnownServed> =>
  new Map(
    addresses.flatMap((row) => {
      const served = knownServed(row);
      return served === null ? [] : [[row.address, served] as const];
    }),
  );

/** Looks at all domains of a job side by side. One that this machine could not look at is left out. */
const lookAtAll = async (
  { now, log, metrics }: Ctx,
  prober: Prober,
  subjects: readonly ProbeSubject[],
  asked: boolean,
): Promise<Found[]> => {
  let told = false;
  const found = await Promise.all(
    subjects.map(async (subject): Promise<Found | null> => {
      const { domain, probeAddress, starttls, probeChecks, full } = subject;
      const depth = asked || full || probeChecks > 0 ? 'full' : 'fetch';
      try {
        const result = await prober.probe({ domain, probeAddress, starttls, depth, known: known(subject) });
        for (const { verdict } of result.fault === null ? result.looks : [result.fault])
          metrics.probes.inc({ result: verdict });
        return { subject, result, at: now() };
      } catch (error) {
        if (!told) log.warn({ why: messageOf(error) }, 'this machine could not probe');
        told = true;
        return null;
      }
    }),
  );
  return found.filter((one) => one !== null);
};

const reachOf = ({ probeAddress, starttls, tlsMode }: Reach): string =>
  JSON.stringify([probeAddress, starttls, tlsMode]);

/** What a look says of its domain as it is now; null when it says nothing any more. */
const lookedAt = (domain: ProbedDomain & Reach, { subject, result, at }: Found, asked: boolean): Looked | null => {
  const isOlder = domain.served.checkedAt !== null && domain.served.checkedAt > at;
  if (isOlder || reachOf(domain) !== reachOf(subject)) return null;
  const { addresses, failures } = domain;
  const { settings, state, served } = domain;
  const overtaken = domain.clocks.probeDueAt !== subject.probeDueAt;
  const occasion = { at, asked, overtaken };
  const before = { truth: { settings, state, served }, addresses, failures };
  return { domain, occasion, observation: observe(before, result, occasion) };
};

/** Saves what was found in one transaction, worked out against each domain as it stands behind its lock. */
const save = (ctx: Ctx, found: readonly Found[], asked: boolean): Promise<readonly ProbeWrite[]> => {
  const byId = new Map(found.map((one) => [one.subject.id, one]));
  return ctx.db.sql.begin(async (tx) => {
    const domains = await lockProbed(tx, [...byId.keys()]);
    const looked = domains.flatMap((domain) => {
      const one = byId.get(domain.id);
      return one === undefined ? [] : (lookedAt(domain, one, asked) ?? []);
    });
    const out = looked.filter(({ domain: { settings, state }, observation: { served, seen } }) =>
      needsKnown({ settings, state, served }, seen),
    );
    const certificates = await knownCertificates(
      tx,
      out.map(({ domain }) => domain),
    );
    const limits = limitsOf(ctx);
    const writes = looked.map(({ domain, observation, occasion }) =>
      concludeProbe(domain, observation, certificates.get(domain.id) ?? noneKnown, occasion, limits),
    );
    await saveProbes(tx, writes, limits.now);
    // failpoint: probe.saved
    return writes;
  });
};

/** Saves what it can: a domain that undoes the transaction of all is found by halving, and looked at again when its claim ends. */
const saveAll = async (ctx: Ctx, found: readonly Found[], asked: boolean): Promise<readonly ProbeWrite[]> => {
  if (found.length === 0) return [];
  try {
    return await onDatabase(() => save(ctx, found, asked));
  } catch (fault) {
    if (fault instanceof AppError) throw fault;
    if (found.length === 1) {
      ctx.log.error({ err: fault, domains: found.map(({ subject }) => subject.id) }, 'a look cannot be saved');
      return [];
    }
    const middle = Math.ceil(found.length / 2);
    const writes = await saveAll(ctx, found.slice(0, middle), asked);
    return [...writes, ...(await saveAll(ctx, found.slice(middle), asked))];
  }
};

const limitsOf = ({ config, now }: Ctx): ConcludeLimits => ({
  now: now(),
  warnDays: config.CERT_EXPIRY_WARN_DAYS,
  slaWarningHours: config.CERT_RENEWAL_SLA_WARNING_HOURS,
  quietSeconds: config.CERT_PROBE_QUIET_SECONDS,
  graceSeconds: config.CERT_PROBE_DRIFT_GRACE_SECONDS,
});

/**
 * Looks at the certificates that a job's domains really serve, and saves what that changes. What an operator asks for is a
 * full handshake whatever the domain's settings, and counts at once.
 */
export const probeDomains = async (
  ctx: Ctx,
  prober: Prober,
  { ids, asked }: Payload<'probe-domains'>,
): Promise<Outcome> => {
  const subjects = (await onDatabase(() => loadSubjects(ctx.db, ids))).filter(({ routine }) => asked || routine);
  const found = await lookAtAll(ctx, prober, subjects, asked);
  // failpoint: probe.looked
  if (found.length < subjects.length && !asked) {
    const done = new Set(found.map(({ subject }) => subject.id));
    const missed = subjects.map(({ id }) => id).filter((id) => !done.has(id));
    await onDatabase(() => releaseClaims(ctx.db, missed, ctx.now() + againMs));
  }
  const writes = await saveAll(ctx, found, asked);
  // failpoint: probe.committed
  const savedAt = ctx.now();
  if (writes.some(({ lookDueAt }) => lookDueAt !== null && lookDueAt <= savedAt)) ctx.queues.kickSettle();
  const faults = writes.filter(({ observation }) => observation.served.fault !== null).length;
  return { kind: 'done', note: { domains: ids.length, saved: writes.length, faults } };
};
