import type { App } from '../../support/process.ts';
import { waitFor } from '../../support/wait.ts';

export type Row = Readonly<Record<string, unknown>>;

/** A domain as operators see it. */
export interface DomainDetail {
  readonly domain: Row;
  readonly addresses: readonly Row[];
  readonly timeline: readonly Row[];
}

/** The admin API and the metrics of a running process. */
export interface Admin {
  call(method: string, route: string, body?: object | string): Promise<Row>;
  register(domain: string, settings?: object): Promise<Row>;
  detail(domain: string): Promise<DomainDetail>;
  incidents(domain: string): Promise<readonly Row[]>;
  /** Has the domain looked at until its row is as wanted, and gives its detail then. */
  lookUntil(domain: string, isWanted: (row: Row) => boolean, what: string): Promise<DomainDetail>;
}

const registration = { verified: true, tlsMode: 'termination', region: 'eu', failurePolicy: 'standard' };

const listOf = (answer: Row, key: string): readonly Row[] => {
  const list = answer[key];
  if (!Array.isArray(list)) throw new Error(`there is no list of ${key}`);
  return list;
};
const rowOf = (value: unknown): Row => (typeof value === 'object' && value !== null ? { ...value } : {});

export const adminOf = (app: Pick<App, 'url'>, token: string): Admin => {
  const call = async (method: string, route: string, body?: object | string): Promise<Row> => {
    const response = await fetch(app.url + route, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': typeof body === 'string' ? 'application/x-ndjson' : 'application/json',
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${route} answered ${response.status}: ${text}`);
    return rowOf(JSON.parse(text));
  };
  const routeOf = (domain: string): string => `/v1/admin/domains/${encodeURIComponent(domain)}`;
  const detail = async (domain: string): Promise<DomainDetail> => {
    const answer = await call('GET', routeOf(domain));
    const [addresses, timeline] = [listOf(answer, 'addresses'), listOf(answer, 'timeline')];
    return { domain: rowOf(answer['domain']), addresses, timeline };
  };
  return {
    call,
    detail,
    register: (domain, settings = {}) => call('PUT', routeOf(domain), { ...registration, ...settings }),
    incidents: async (domain) =>
      listOf(await call('GET', `/v1/admin/cert-incidents?domain=${encodeURIComponent(domain)}`), 'incidents'),
    lookUntil: (domain, isWanted, what) =>
      waitFor(
        async () => {
          const seen = await detail(domain);
          if (isWanted(seen.domain)) return seen;
          await call('POST', `${routeOf(domain)}/probe`);
          throw new Error(`its row is ${JSON.stringify(seen.domain)}`);
        },
        { what: `${domain} ${what}`, timeoutMs: 20_000, intervalMs: 250 },
      ),
  };
};

/** The value of one series of an exposition; null when it is not there. */
export const metricOf = async (app: Pick<App, 'metricsUrl'>, series: string): Promise<number | null> => {
  const text = await (await fetch(`${app.metricsUrl}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? null : Number(line.slice(series.length + 1));
};
