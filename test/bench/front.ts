// The server side of a comparison: `front.ts verify-only | "front without database" | pg-boss | graphile-worker`.
import { Hono } from 'hono';
import type { Ctx } from '../../src/context.ts';
import { AppError } from '../../src/errors.ts';
import { keepYoung } from '../../src/heap.ts';
import { hashSecret, sameSecret } from '../../src/http/auth.ts';
import { readBody } from '../../src/http/body.ts';
import type { HttpEnv } from '../../src/http/env.ts';
import { healthRoutes } from '../../src/http/health.ts';
import { bodyLimit, ingestRoutes, type IngestSink } from '../../src/http/ingest.ts';
import { onError } from '../../src/http/problem.ts';
import { headerIdentity, signersOf, verifyProvenance } from '../../src/http/provenance.ts';
import { listen } from '../../src/http/server.ts';
import { groupCommit } from '../../src/queues/group-commit.ts';
import { benchCtx } from './bench-ctx.ts';
import { type Appender, peerAppender } from './peer-queues.ts';

/** Token, signature over the raw bytes, JSON.parse, 202: what no ingest can do without. */
const verifyOnly = ({ config, now }: Ctx) => {
  const token = hashSecret(config.CERT_EVENT_INGEST_TOKEN ?? '');
  const signers = signersOf(config.CERT_EVENT_SOURCE_KEYS ?? new Map());
  return new Hono<HttpEnv>().post('/v1/domains/cert-events', async (c) => {
    if (!sameSecret(token, c.req.header('x-cert-event-token') ?? '')) throw new AppError('unauthorized', 'bad token');
    const body = await readBody(c, bodyLimit);
    const request = {
      identity: headerIdentity(c),
      timestamp: c.req.header('x-cert-timestamp'),
      signature: c.req.header('x-cert-signature'),
      body,
      now: now(),
      maxAgeSeconds: config.CERT_EVENT_MAX_AGE_SECONDS,
    };
    const { subject } = verifyProvenance(signers, request, () => undefined);
    const event: unknown = JSON.parse(body.toString('utf8'));
    return c.json({ ok: event !== null, status: 'pending', provenanceVerified: true, provenanceSubject: subject }, 202);
  });
};

const sinkOf = (ctx: Ctx, append: Appender): IngestSink => ({
  commits: groupCommit(
    {
      maxSize: ctx.config.CERT_EVENT_BATCH_SIZE,
      limit: ctx.config.CERT_INGEST_QUEUE_LIMIT,
      lanes: 1,
      patienceMs: 10_000,
    },
    append,
  ),
  retried: () => Promise.resolve(),
  badSignature: () => undefined,
});

keepYoung();
const ctx = benchCtx();
const [what = ''] = process.argv.slice(2);

const routes = async () => {
  if (what === 'verify-only') return verifyOnly(ctx);
  const acceptAll: Appender = (group) => Promise.resolve(group.map(({ id }) => ({ kind: 'created', id })));
  return ingestRoutes(ctx, sinkOf(ctx, what === 'front without database' ? acceptAll : await peerAppender(what, ctx)));
};

const app = new Hono<HttpEnv>();
app.onError(onError);
app.use(async (c, next) => {
  c.set('ctx', ctx);
  await next();
});
app.route('/', await routes());
const health = new Hono<HttpEnv>().route(
  '/',
  healthRoutes(
    () => Promise.resolve({ ready: true, checks: {} }),
    () => Date.now(),
  ),
);
const { NOTAFTER_HOST: host, PORT: port, CERT_METRICS_PORT: metricsPort } = ctx.config;
await listen(app, { host, port, variable: 'PORT', elapsed: ctx.now });
await listen(health, { host, port: metricsPort, variable: 'CERT_METRICS_PORT', elapsed: ctx.now });
process.once('SIGTERM', () => process.exit(0));
