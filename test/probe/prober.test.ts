import { createSecureContext, createServer, type TlsOptions } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createPki, makeCertificate, ocspResponse } from '../support/certificates.ts';
import { createStage, goodLeaf, knownAt, knownFrom, name, onlyLook, pki, targetAt } from './support.ts';

const stage = createStage();
const day = 24 * 3_600_000;
const good: TlsOptions = { key: goodLeaf.key, cert: goodLeaf.chain };

describe('a good server', () => {
  it('is judged by a full handshake at first sight, and fetched afterwards', async () => {
    const port = await stage.serveTls(good);
    const seen: string[] = [];
    const prober = stage.prober({ onHandshake: (depth) => seen.push(depth) });
    const first = onlyLook(await prober.probe(targetAt(port)));
    expect(first).toMatchObject({
      address: `127.0.0.1:${port}`,
      verdict: 'ok',
      error: null,
      depth: 'full',
      certificateRef: goodLeaf.ref,
      certificate: {
        ref: goodLeaf.ref,
        subject: `CN=${name}`,
        issuer: 'CN=Test Intermediate',
        names: [name],
        chainLength: 2,
        tlsVersion: 'TLSv1.3',
        ocsp: null,
      },
    });
    const second = onlyLook(await prober.probe(targetAt(port, { known: knownFrom(first) })));
    expect(second).toMatchObject({ verdict: 'ok', depth: 'fetch', certificateRef: goodLeaf.ref, certificate: null });
    expect(seen).toEqual(['full', 'fetch']);
    expect(prober.inFlight()).toBe(0);
  });

  it('gets a full handshake when asked for one, when the last is a week old, and always when configured so', async () => {
    const port = await stage.serveTls(good);
    const known = knownAt(port);
    const old = knownAt(port, { fullyCheckedAt: Date.now() - 7 * day });
    const prober = stage.prober();
    const depths = [
      onlyLook(await prober.probe(targetAt(port, { known }))).depth,
      onlyLook(await prober.probe(targetAt(port, { known, depth: 'full' }))).depth,
      onlyLook(await prober.probe(targetAt(port, { known: old }))).depth,
      onlyLook(await stage.prober({ fullOnly: true }).probe(targetAt(port, { known }))).depth,
    ];
    expect(depths).toEqual(['fetch', 'full', 'full', 'full']);
  });

  it('that renewed is seen through in the same visit', async () => {
    const renewed = pki.leaf({ names: [name] });
    const port = await stage.serveTls({ key: renewed.key, cert: renewed.chain });
    const seen: string[] = [];
    const prober = stage.prober({ onHandshake: (depth) => seen.push(depth) });
    const look = onlyLook(await prober.probe(targetAt(port, { known: knownAt(port) })));
    expect(look).toMatchObject({ verdict: 'ok', depth: 'full', certificate: { ref: renewed.ref } });
    expect(seen).toEqual(['fetch', 'full']);
  });

  it('gives the same certificate in both depths when it has one of each key type', async () => {
    const rsa = pki.leaf({ names: [name], keyType: 'rsa' });
    const both: TlsOptions = { key: [rsa.key, goodLeaf.key], cert: [rsa.chain, goodLeaf.chain] };
    const prober = stage.prober();
    const twice = async (options: TlsOptions) => {
      const port = await stage.serveTls(options);
      const first = onlyLook(await prober.probe(targetAt(port)));
      return [first, onlyLook(await prober.probe(targetAt(port, { known: knownFrom(first) })))];
    };
    expect(await twice({ ...both, honorCipherOrder: false })).toMatchObject([
      { verdict: 'ok', depth: 'full', certificateRef: goodLeaf.ref },
      { verdict: 'ok', depth: 'fetch', certificateRef: goodLeaf.ref },
    ]);
    // A server with an order of its own may show the other one to TLS 1.2; the full handshake has the last word.
    expect(await twice(both)).toMatchObject([
      { verdict: 'ok', depth: 'full', certificateRef: goodLeaf.ref },
      { verdict: 'ok', depth: 'full', certificateRef: goodLeaf.ref },
    ]);
  });

  it('is asked by its name', async () => {
    const other = pki.leaf({ names: ['other.example.test'] });
    const asked: string[] = [];
    const port = await stage.serveTls({
      key: other.key,
      cert: other.chain,
      SNICallback: (asking, done) => {
        asked.push(asking);
        done(null, asking === name ? createSecureContext(good) : undefined);
      },
    });
    const prober = stage.prober();
    const own = onlyLook(await prober.probe(targetAt(port)));
    expect(own).toMatchObject({ verdict: 'ok', certificateRef: goodLeaf.ref });
    const fetched = onlyLook(await prober.probe(targetAt(port, { known: knownFrom(own) })));
    expect(fetched).toMatchObject({ depth: 'fetch', certificateRef: goodLeaf.ref });
    const foreign = onlyLook(await prober.probe(targetAt(port, { domain: 'elsewhere.example.test' })));
    expect(foreign).toMatchObject({ verdict: 'wrong_host', certificateRef: other.ref });
    expect(asked).toEqual([name, name, 'elsewhere.example.test']);
  });

  it('is asked for a label below a wildcard', async () => {
    const leaf = pki.leaf({ names: ['*.example.test'] });
    const port = await stage.serveTls({ key: leaf.key, cert: leaf.chain });
    const look = onlyLook(await stage.prober().probe(targetAt(port, { domain: '*.example.test' })));
    expect(look).toMatchObject({ verdict: 'ok', certificate: { names: ['*.example.test'] } });
  });

  it('may speak TLS 1.2 only, TLS 1.3 only, or ask for a client certificate', async () => {
    const mutual: TlsOptions = { ...good, requestCert: true, rejectUnauthorized: true, ca: [pki.root.cert] };
    const servers: TlsOptions[] = [
      { ...good, maxVersion: 'TLSv1.2' },
      { ...good, minVersion: 'TLSv1.3' },
      { ...mutual, minVersion: 'TLSv1.3' },
      { ...mutual, maxVersion: 'TLSv1.2' },
    ];
    const prober = stage.prober();
    for (const server of servers) {
      const port = await stage.serveTls(server);
      const first = onlyLook(await prober.probe(targetAt(port)));
      expect(first).toMatchObject({ verdict: 'ok', error: null, depth: 'full', certificateRef: goodLeaf.ref });
      const second = onlyLook(await prober.probe(targetAt(port, { known: knownFrom(first) })));
      expect(second).toMatchObject({ verdict: 'ok', certificateRef: goodLeaf.ref });
    }
  });

  it('of TLS 1.3 only is not asked again in a version it does not speak', async () => {
    const port = await stage.serveTls({ ...good, minVersion: 'TLSv1.3' });
    const seen: string[] = [];
    const prober = stage.prober({ onHandshake: (depth) => seen.push(depth) });
    const known = knownAt(port);
    await prober.probe(targetAt(port, { known }));
    await prober.probe(targetAt(port, { known }));
    expect(seen).toEqual(['fetch', 'full', 'full']);
  });

  it('may staple what its CA says of the certificate', async () => {
    const serial = Buffer.from('0123456789', 'hex');
    const leaf = pki.leaf({ names: [name], serial });
    const states = ['good', 'revoked', null] as const;
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
      for (const state of states) {
        const server = createServer({ key: leaf.key, cert: leaf.chain, maxVersion });
        server.on('OCSPRequest', (_certificate, _issuer, done: (error: null, staple: Buffer | null) => void) => {
          done(null, state === null ? null : ocspResponse(serial, state));
        });
        const look = onlyLook(await stage.prober().probe(targetAt(await stage.listen(server))));
        expect(look).toMatchObject({ verdict: 'ok', certificate: { ocsp: state, tlsVersion: maxVersion } });
      }
    }
  });

  it('with a large or long chain is read', async () => {
    const names = Array.from({ length: 5000 }, (_, index) => `n${index}.example.test`);
    const many = pki.leaf({ names: [name, ...names] });
    const port = await stage.serveTls({ key: many.key, cert: many.chain });
    const look = onlyLook(await stage.prober().probe(targetAt(port)));
    expect(look.error).toBeNull();
    expect(look.certificate?.names).toHaveLength(100);
    const fillers = Array.from({ length: 30 }, () => pki.intermediate.cert).join('');
    const long = await stage.serveTls({ key: goodLeaf.key, cert: goodLeaf.chain + fillers });
    const longLook = onlyLook(await stage.prober().probe(targetAt(long)));
    expect(longLook).toMatchObject({ verdict: 'ok', certificate: { chainLength: 20 } });
  });
});

describe('a bad certificate', () => {
  const now = Date.now();
  const foreign = createPki('Foreign');
  const expired = pki.leaf({ names: [name], notBefore: now - 20 * day, notAfter: now - 2 * day });
  const early = pki.leaf({ names: [name], notBefore: now + 2 * day });
  const other = pki.leaf({ names: ['other.example.test'] });
  const selfSigned = makeCertificate({ names: [name] });
  const stranger = foreign.leaf({ names: [name] });
  const nameless = pki.leaf({ commonName: name });
  const worst = makeCertificate({ names: ['other.test'], notBefore: now - 9 * day, notAfter: now - day });
  const oldCa = makeCertificate({
    commonName: 'Old CA',
    issuer: pki.root,
    isCa: true,
    notBefore: now - 20 * day,
    notAfter: now - day,
  });
  const underOldCa = makeCertificate({ names: [name], issuer: oldCa });

  it.each([
    ['expired', expired, expired.chain, 'expired', /^the certificate expired at 20/],
    ['not yet valid', early, early.chain, 'not_yet_valid', /^the certificate is not valid before 20/],
    ['for another name', other, other.chain, 'wrong_host', /^the certificate is not for shop.example.test$/],
    ['without a subjectAltName', nameless, nameless.chain, 'wrong_host', /not for/],
    ['self-signed', selfSigned, selfSigned.cert, 'untrusted', /^the certificate is self-signed$/],
    ['of an unknown CA', stranger, stranger.chain, 'untrusted', /root is not trusted: CN=Foreign Root/],
    [
      'with an unknown root',
      stranger,
      stranger.chain + foreign.root.cert,
      'untrusted',
      /ends in a root that is not trusted/,
    ],
    ['without its intermediate', goodLeaf, goodLeaf.cert, 'untrusted', /sends no intermediate.*CN=Test Intermediate/],
    ['under an expired CA', underOldCa, underOldCa.cert + oldCa.cert, 'expired', /above the leaf has expired/],
    ['wrong in every way', worst, worst.cert, 'expired', /expired at .*; the certificate is not for shop/],
  ] as const)('%s is told, with its details', async (_, identity, chain, verdict, error) => {
    const port = await stage.serveTls({ key: identity.key, cert: chain });
    const prober = stage.prober();
    const look = onlyLook(await prober.probe(targetAt(port)));
    expect(look).toMatchObject({ verdict, depth: 'full', certificateRef: identity.ref });
    expect(look.error).toMatch(error);
    expect(look.certificate?.ref).toBe(identity.ref);
    const again = onlyLook(await prober.probe(targetAt(port, { known: knownFrom(look) })));
    expect(again).toMatchObject({ verdict, error: look.error, certificateRef: identity.ref });
  });

  it('that expires while it is known is told by a fetch', async () => {
    const port = await stage.serveTls(good);
    const known = knownAt(port, { notAfter: now - 1000 });
    const look = onlyLook(await stage.prober().probe(targetAt(port, { known })));
    expect(look).toMatchObject({ verdict: 'expired', depth: 'fetch', certificate: null });
  });

  it('is judged once per chain, again for another chain of the same leaf', async () => {
    const port = await stage.serveTls(good);
    const bare = await stage.serveTls({ key: goodLeaf.key, cert: goodLeaf.cert });
    const seen: string[] = [];
    const prober = stage.prober({ onHandshake: (depth) => seen.push(depth) });
    const first = onlyLook(await prober.probe(targetAt(port)));
    const probeFully = async (at: number) =>
      onlyLook(await prober.probe(targetAt(at, { depth: 'full', known: knownAt(at) })));
    expect([first.verdict, (await probeFully(port)).verdict]).toEqual(['ok', 'ok']);
    expect(seen).toEqual(['full', 'full']);
    expect(await probeFully(bare)).toMatchObject({
      verdict: 'untrusted',
      error: expect.stringContaining('no intermediate'),
    });
    expect(await probeFully(port)).toMatchObject({ verdict: 'ok' });
    expect(seen).toHaveLength(6);
  });

  it('is told apart by address', async () => {
    const first = await stage.serveTls(good, '127.0.0.1');
    const second = await stage.serveTls({ key: other.key, cert: other.chain }, '127.0.0.2', first);
    expect(second).toBe(first);
    const probeAddress = [`127.0.0.1:${first}`, `127.0.0.2:${first}`];
    const { looks } = await stage.prober().probe(targetAt(first, { probeAddress }));
    expect(looks.map(({ address, verdict, certificateRef }) => [address, verdict, certificateRef])).toEqual([
      [`127.0.0.1:${first}`, 'ok', goodLeaf.ref],
      [`127.0.0.2:${first}`, 'wrong_host', other.ref],
    ]);
  });

  it('does not stop the start unless the trusted CAs cannot be read', () => {
    expect(() => stage.prober({ trustedCaPem: 'nothing' })).toThrow('no certificate in PEM form');
    const broken = pki.root.cert.replace(/\n.{8}/, '\nAAAAAAAA');
    expect(() => stage.prober({ trustedCaPem: broken })).toThrow('cannot be read');
  });
});

describe('old TLS', () => {
  it('is refused as its clients would refuse it', async () => {
    const port = await stage.serveTls({
      ...good,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT:@SECLEVEL=0',
    });
    const prober = stage.prober();
    for (const known of [new Map(), knownAt(port)]) {
      const look = onlyLook(await prober.probe(targetAt(port, { known })));
      expect(look).toMatchObject({ verdict: 'tls_alert', depth: 'full', certificate: null });
    }
  });
});
