import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addressWith,
  anyDomain,
  anyResult,
  lookAt,
  now,
  refOf,
  renewedTo,
  resultOf,
  truthWith,
} from '../../test/support/looks.ts';
import { cases } from '../../test/support/properties.ts';
import { type Before, type KnownAddress, knownServed, observe } from './observe.ts';
import { isConclusive, type Verdict, verdicts } from './served.ts';
import type { Served } from './status.ts';

const one = '192.0.2.1:443';
const two = '192.0.2.2:443';
const swept = { at: now, asked: false, overtaken: false };
const asked = { ...swept, asked: true };

const before = (addresses: readonly KnownAddress[], more: Partial<Before> = {}): Before => ({
  truth: truthWith(),
  addresses,
  failures: 0,
  ...more,
});
const standing = (fault: Verdict, checkedAt: number): Pick<Before, 'truth'> => ({
  truth: truthWith({ served: { fault, faultError: 'as it was', checkedAt }, state: renewedTo('a', 7_200_000) }),
});

const faults = verdicts.filter((verdict) => verdict !== 'ok');
const fleeting = faults.filter((verdict) => !isConclusive(verdict));

describe('observe', () => {
  it('takes a good look as the last word', () => {
    const { served, seen, rows, facts, failures, unconfirmed } = observe(
      before([]),
      resultOf(lookAt(one, 'ok')),
      swept,
    );
    expect(served).toEqual({
      certificateRef: refOf('a'),
      notBefore: rows[0]?.notBefore,
      notAfter: rows[0]?.notAfter,
      fault: null,
      faultError: null,
      checkedAt: now,
    });
    expect({ seen: seen.length, rows: rows.length, failures, unconfirmed }).toEqual({
      seen: 1,
      rows: 1,
      failures: 0,
      unconfirmed: false,
    });
    expect(facts).toEqual([
      {
        address: one,
        certificateRef: refOf('a'),
        notAfter: rows[0]?.notAfter,
        verdict: 'ok',
        error: null,
        depth: 'full',
      },
    ]);
  });

  it('writes nothing but the time where nothing is new', () => {
    const look = lookAt(one, 'ok', 'a', { depth: 'fetch' });
    const { rows, touched, facts, served } = observe(before([addressWith(one)]), resultOf(look), swept);
    expect({ rows, facts }).toEqual({ rows: [], facts: [] });
    expect(touched).toMatchObject([{ address: one, checkedAt: now, depth: 'fetch' }]);
    expect(served.certificateRef).toBe(refOf('a'));
  });

  it.each(faults)('counts %s at the first look only when it speaks of a certificate', (verdict) => {
    const { served, unconfirmed, failures } = observe(
      before([addressWith(one)]),
      resultOf(lookAt(one, verdict)),
      swept,
    );
    expect({ fault: served.fault, unconfirmed, failures }).toEqual(
      isConclusive(verdict)
        ? { fault: verdict, unconfirmed: false, failures: 1 }
        : { fault: null, unconfirmed: true, failures: 1 },
    );
  });

  it.each(fleeting)('counts %s at the second look, and at the first that is asked for', (verdict) => {
    const known = addressWith(one, 'a', { verdict, error: `it is ${verdict}`, failures: 1 });
    const again = observe(before([known], { failures: 1 }), resultOf(lookAt(one, verdict)), swept);
    expect(again.served).toMatchObject({
      fault: verdict,
      faultError: `${one}: it is ${verdict}`,
      certificateRef: null,
    });
    expect(again.facts).toEqual([]);
    const now1 = observe(before([addressWith(one)]), resultOf(lookAt(one, verdict)), asked);
    expect(now1).toMatchObject({ served: { fault: verdict }, unconfirmed: false });
    const overtaken = observe(before([known]), resultOf(lookAt(one, verdict)), { ...swept, overtaken: true });
    expect(overtaken).toMatchObject({ served: { fault: null }, unconfirmed: true });
  });

  it('finds a name down that leads to other addresses each time', () => {
    const down = addressWith(one, 'a', { verdict: 'connect_timeout', failures: 1 });
    const last = before([down], { failures: 1 });
    const result = resultOf(lookAt(two, 'connection_refused'));
    expect(observe(last, result, swept)).toMatchObject({ served: { fault: 'connection_refused' }, unconfirmed: false });
    const overtaken = { ...swept, overtaken: true };
    expect(observe(last, result, overtaken)).toMatchObject({ served: { fault: null }, unconfirmed: true });
    // One of its addresses was well, then or now: the new one may have had a hiccup.
    const partly = before([down, addressWith('192.0.2.3:443')], { failures: 1 });
    expect(observe(partly, result, swept)).toMatchObject({ served: { fault: null }, unconfirmed: true });
    const both = resultOf(lookAt(two, 'connection_refused'), lookAt('192.0.2.3:443', 'ok'));
    expect(observe(last, both, swept)).toMatchObject({ served: { fault: null }, unconfirmed: true });
  });

  it('lets the last finding stand while a fault has to be looked at again', () => {
    const last: Partial<Served> = { certificateRef: refOf('b'), notAfter: now + 1, checkedAt: now - 1000 };
    const truth = truthWith({ served: last, state: renewedTo('a', 500) });
    const { served } = observe(before([addressWith(one)], { truth }), resultOf(lookAt(one, 'closed')), swept);
    expect(served).toBe(truth.served);
  });

  it('keeps an old fault that still counts while another address has to be looked at again', () => {
    const looks = resultOf(lookAt(one, 'ok'), lookAt(two, 'closed'));
    const known = [addressWith(one, 'a', { verdict: 'expired' }), addressWith(two)];
    const counts = observe(before(known, standing('expired', now - 3_600_000)), looks, swept);
    expect(counts.served).toMatchObject({ fault: 'expired', faultError: 'as it was', certificateRef: refOf('a') });
    const past = observe(before(known, standing('expired', now - 10_800_000)), looks, swept);
    expect(past.served).toMatchObject({ fault: null, faultError: null });
  });

  it.each([
    ['expired', 'wrong_host', 'expired'],
    ['connection_refused', 'untrusted', 'untrusted'],
    ['connect_timeout', 'not_tls', 'not_tls'],
    ['address_refused', 'unreachable', 'unreachable'],
  ] as const)('of %s and %s names %s, with its address', (first, second, worst) => {
    const { served } = observe(before([]), resultOf(lookAt(one, first), lookAt(two, second)), asked);
    expect(served.fault).toBe(worst);
    const where = worst === first ? one : two;
    expect(served.faultError).toBe(`${where}: it is ${worst} (1 more of its addresses at fault)`);
  });

  it('observes the certificate that ends first', () => {
    const late = lookAt(one, 'ok', 'a');
    const certificate = lookAt(two, 'ok', 'b').certificate;
    const early = lookAt(two, 'expired', 'b', { certificate: certificate && { ...certificate, notAfter: now - 1 } });
    const { served } = observe(before([]), resultOf(late, early), swept);
    expect(served).toMatchObject({ certificateRef: refOf('b'), notAfter: now - 1, fault: 'expired' });
  });

  it('drops addresses that the name has no more, but none when it leads nowhere', () => {
    const known = [addressWith(one), addressWith(two)];
    expect(observe(before(known), resultOf(lookAt(one, 'ok')), swept).dropped).toEqual([two]);
    const fault = { verdict: 'dns_failed', error: 'no address' } as const;
    const nowhere = observe(before(known), { looks: [], fault }, swept);
    expect(nowhere).toMatchObject({ dropped: [], rows: [], failures: 1, unconfirmed: true, served: { fault: null } });
    expect(nowhere.facts).toMatchObject([{ address: '', verdict: 'dns_failed' }]);
    const again = observe(before(known, { failures: 1 }), { looks: [], fault }, swept);
    expect(again).toMatchObject({ failures: 2, unconfirmed: false, served: { fault: 'dns_failed', checkedAt: now } });
    const same = { failures: 2, truth: truthWith({ served: again.served }) };
    expect(observe(before(known, same), { looks: [], fault }, swept).facts).toEqual([]);
    const back = observe(
      before(known, same),
      resultOf(lookAt(one, 'ok', 'a', { depth: 'fetch' }), lookAt(two, 'ok')),
      swept,
    );
    expect(back).toMatchObject({ failures: 0, served: { fault: null } });
    expect(back.facts).toHaveLength(2);
  });

  it('keeps what the last full handshake saw of an address that does not answer', () => {
    const { rows } = observe(before([addressWith(one)]), resultOf(lookAt(one, 'closed')), swept);
    expect(rows).toMatchObject([{ verdict: 'closed', certificateRef: refOf('a'), fullVerdict: 'ok', failures: 1 }]);
    expect(rows.map(knownServed)).toMatchObject([{ certificateRef: refOf('a'), verdict: 'ok' }]);
  });

  it('does not take a leaf for seen that no full handshake has shown', () => {
    const look = lookAt(one, 'tls_alert', 'a', { certificateRef: refOf('new') });
    const { seen, rows, facts } = observe(before([addressWith(one)]), resultOf(look), asked);
    expect({ seen, kept: rows[0]?.certificateRef }).toEqual({ seen: [], kept: refOf('a') });
    expect(facts).toMatchObject([{ certificateRef: refOf('new'), notAfter: null }]);
  });

  it('says the same of the same: a second look with the same findings changes nothing but times', () => {
    fc.assert(
      fc.property(anyDomain, anyResult, ({ settings, state, served, addresses, failures }, result) => {
        const first = observe({ truth: { settings, state, served }, addresses, failures }, result, asked);
        const kept = new Map(addresses.map((row) => [row.address, row]));
        for (const address of first.dropped) kept.delete(address);
        for (const row of [...first.rows, ...first.touched]) kept.set(row.address, row);
        const truth = { settings, state, served: first.served };
        const second = observe({ truth, addresses: [...kept.values()], failures: first.failures }, result, asked);
        expect(second.served).toEqual(first.served);
        expect(second.dropped).toEqual([]);
        expect([...second.rows, ...second.touched]).toHaveLength(result.looks.length);
      }),
      cases(300),
    );
  });
});

describe('knownServed', () => {
  it('is null before a full handshake', () => {
    expect(knownServed(addressWith(one, 'a', { fullVerdict: null }))).toBeNull();
    expect(knownServed(addressWith(one, 'a', { certificateRef: null }))).toBeNull();
  });
});
