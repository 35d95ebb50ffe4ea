import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anyDomain, anyResult, now, refOf, renewedTo, seenWith, truthWith } from '../../test/support/looks.ts';
import { cases } from '../../test/support/properties.ts';
import { concludeProbe } from './conclude.ts';
import {
  type Drift,
  graceEndsAt,
  isOutOfStep,
  judgeDrift,
  type KnownCertificates,
  needsKnown,
  noneKnown,
} from './drift.ts';
import { observe, type SeenCertificate } from './observe.ts';
import type { Truth } from './status.ts';
import type { DriftState } from './types.ts';

const minute = 60_000;
const limits = { now, graceSeconds: 900 };
const after = truthWith({ state: renewedTo('new', 20 * minute) });
const within = truthWith({ state: renewedTo('new', 10 * minute) });
const silent = truthWith();
const opaque = truthWith({ state: { ...renewedTo('new', 20 * minute), certificateRef: 'secret/shop-tls' } });
const nameless = truthWith({ state: { ...renewedTo('new', 20 * minute), certificateRef: null, notAfter: null } });

const last = (state: DriftState | null): Drift => ({ state, since: state === null ? null : now - 5 });
const old: KnownCertificates = { refs: new Set([refOf('old').toUpperCase()]), ends: new Set() };
const byEnd: KnownCertificates = { refs: new Set(), ends: new Set([Math.floor((now + 60 * 86_400_000) / 1000)]) };
const other = [seenWith('old')];
const mixed = [seenWith('new'), seenWith('old')];
const ended = [seenWith('old', { notAfter: now + 5 })];

type Row = [string, Truth, readonly SeenCertificate[], KnownCertificates, DriftState | null, DriftState | null];

describe('judgeDrift', () => {
  it.each<Row>([
    ['the expected certificate', after, [seenWith('new')], noneKnown, null, 'in_step'],
    [
      'the expected one on all addresses',
      after,
      [seenWith('new'), seenWith('new')],
      noneKnown,
      'stale_served',
      'in_step',
    ],
    ['the expected one within the grace', within, [seenWith('new')], noneKnown, null, 'in_step'],
    ['an earlier one', after, other, old, 'in_step', 'stale_served'],
    ['an earlier one, known by its end', after, other, byEnd, null, 'stale_served'],
    ['one never heard of', after, other, noneKnown, 'in_step', 'unknown_served'],
    ['an earlier one within the grace', within, other, old, 'in_step', null],
    ['an earlier one within the grace, out of step before', within, other, old, 'stale_served', 'stale_served'],
    ['one never heard of within the grace', within, other, noneKnown, 'unknown_served', 'unknown_served'],
    ['addresses that disagree', after, mixed, old, 'in_step', 'addresses_differ'],
    ['addresses that disagree within the grace', within, mixed, old, 'in_step', null],
    ['addresses that disagree, without any event', silent, mixed, noneKnown, null, 'addresses_differ'],
    ['something, without any event', silent, other, noneKnown, null, null],
    ['the end that an event named', opaque, other, noneKnown, null, 'in_step'],
    ['another end than an event named', opaque, ended, noneKnown, null, 'unknown_served'],
    ['what cannot be compared', nameless, other, noneKnown, 'stale_served', null],
    ['nothing', after, [], noneKnown, 'stale_served', 'stale_served'],
    ['nothing, when it was in step with another one', after, [], noneKnown, 'in_step', null],
  ])('%s', (_, truth, seen, known, before, state) => {
    expect(judgeDrift(truth, seen, known, last(before), limits).state).toBe(state);
  });

  it('is silent where nothing is looked at by itself', () => {
    for (const settings of [{ tlsMode: 'passthrough' as const }, { routed: false }, { verified: false }]) {
      const truth = truthWith({ settings, state: renewedTo('new', 20 * minute) });
      expect(judgeDrift(truth, other, old, last('stale_served'), limits)).toEqual({ state: null, since: null });
      expect({ needs: needsKnown(truth, other), out: isOutOfStep(truth, other) }).toEqual({ needs: false, out: false });
    }
  });

  it('stays in step while the expected certificate was the last that was seen', () => {
    const served = { certificateRef: refOf('new'), checkedAt: now };
    const truth = truthWith({ state: renewedTo('new', 20 * minute), served });
    expect(judgeDrift(truth, [], noneKnown, last('in_step'), limits).state).toBe('in_step');
  });

  it('keeps the time while the state is the same, and takes it anew when it changes', () => {
    expect(judgeDrift(after, other, old, last('stale_served'), limits).since).toBe(now - 5);
    expect(judgeDrift(after, other, old, last('unknown_served'), limits).since).toBe(now);
    expect(judgeDrift(after, [seenWith('new')], old, last('stale_served'), limits).since).toBe(now);
  });

  it('counts the grace to the millisecond', () => {
    const end = graceEndsAt(within, 900) ?? 0;
    expect(judgeDrift(within, other, old, last(null), { ...limits, now: end - 1 }).state).toBeNull();
    expect(judgeDrift(within, other, old, last(null), { ...limits, now: end }).state).toBe('stale_served');
  });

  it('asks for the known ones only where one of them could be served', () => {
    expect(needsKnown(after, other)).toBe(true);
    for (const seen of [[seenWith('new')], mixed, []]) expect(needsKnown(after, seen)).toBe(false);
  });
});

describe('a look', () => {
  it('never changes what events said', () => {
    fc.assert(
      fc.property(anyDomain, anyResult, fc.boolean(), (domain, result, asked) => {
        const { settings, state, served, addresses, failures } = structuredClone(domain);
        const occasion = { at: now, asked, overtaken: false };
        const observation = observe({ truth: { settings, state, served }, addresses, failures }, result, occasion);
        const all = { now, warnDays: 30, slaWarningHours: 72, quietSeconds: 600, graceSeconds: 900 };
        const write = concludeProbe(domain, observation, noneKnown, occasion, all);
        expect(domain.state).toEqual(state);
        const { certificate, tlsStatus } = write.view;
        const said = state.certificateRef !== null || state.notAfter !== null;
        expect(!said || (certificate.ref === state.certificateRef && !certificate.filled)).toBe(true);
        expect(tlsStatus === 'passthrough_unverified').toBe(settings.tlsMode === 'passthrough');
        expect(write.drift.state === null).toBe(write.drift.since === null);
        expect(write.lookDueAt === now || !write.changed).toBe(true);
      }),
      cases(500),
    );
  });
});
