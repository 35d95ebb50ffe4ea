import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Receiver, startReceiver } from '../../notify/receiver.ts';
import { read } from '../../ops/support/files.ts';
import { startAlertmanager, startPrometheus } from '../../ops/support/servers.ts';
import { waitFor } from '../../support/wait.ts';

export type Labels = Readonly<Record<string, string>>;
export type Receipt = 'page' | 'ticket';

/** An alert as Prometheus has it. */
export interface RuleAlert {
  readonly labels: Labels;
  readonly state: 'pending' | 'firing';
}
/** An alert as Alertmanager has it. */
export interface HeldAlert {
  readonly labels: Labels;
  readonly status: { readonly state: string; readonly inhibitedBy: readonly string[] };
}
/** An alert as Alertmanager's webhook tells it. */
export interface ToldAlert {
  readonly receiver: Receipt;
  readonly status: 'firing' | 'resolved';
  readonly labels: Labels;
  readonly annotations: Labels;
}

const patienceMs = 40_000;

/** Replaces every match. @throws when there is none: the file is not what is expected here any more. */
const edit = (text: string, changes: readonly (readonly [RegExp, string])[]): string =>
  changes.reduce((edited, [pattern, by]) => {
    const next = edited.replaceAll(pattern, by);
    if (next === edited) throw new Error(`nothing matches ${pattern}`);
    return next;
  }, text);

/** The shipped rules, with waits, windows and ages of minutes and hours become seconds. */
const quickRules = (): string =>
  edit(read('ops/prometheus/rules/notafter.yml'), [
    [/for: \d+[mh]$/gm, 'for: 1s'],
    [/\[(?:15m|30m|1h)\]/g, '[10s]'],
    [/> 1800$/gm, '> 4'],
    [/> 900$/gm, '> 8'],
    [/> 300$/gm, '> 5'],
  ]);

export interface Targets {
  /** `address:port` of the metrics. */
  readonly api: string;
  readonly worker: string;
}

/** The shipped configuration, for these processes and by the second. */
const prometheusConfig = ({ api, worker }: Targets, alertmanager: string): string => {
  const target = (role: string, address: string): string =>
    `      - targets: ['${address}']\n        labels: { role: ${role} }`;
  const targets = `static_configs:\n${target('api', api)}\n${target('worker', worker)}`;
  return edit(read('ops/prometheus/prometheus.yml'), [
    [/(scrape|evaluation)_interval: 15s/g, '$1_interval: 1s'],
    [/alertmanager:9093|localhost:9090/g, alertmanager],
    [/dns_sd_configs:[\s\S]*target_label: role/g, targets],
  ]);
};

/** The shipped configuration, with another address for its webhooks and no waiting. */
const alertmanagerConfig = (receiver: string): string =>
  edit(read('ops/alertmanager/alertmanager.yml'), [
    [/(group_wait|group_interval): \d+[ms]/g, '$1: 1s'],
    [/http:\/\/alert-receiver:9095/g, receiver],
  ]);

const json = async (url: string): Promise<unknown> => {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return answer.json();
};

const toldBy = ({ received }: Receiver): ToldAlert[] =>
  received.flatMap(({ path: where, body }) => {
    const { alerts } = JSON.parse(body) as { alerts: Omit<ToldAlert, 'receiver'>[] }; // Alertmanager's own webhook
    return alerts.map((alert) => ({ ...alert, receiver: where.slice(1) as Receipt })); // its two addresses
  });

const has = (labels: Labels, wanted: Labels): boolean =>
  Object.entries(wanted).every(([name, value]) => labels[name] === value);

/** Alertmanager with the shipped routes, and a receiver of what it tells. */
export interface Alerting extends AsyncDisposable {
  readonly url: string;
  /** The alerts with these labels that Alertmanager holds now. */
  held(labels: Labels): Promise<HeldAlert[]>;
  /** Waits until the last that was told of an alert with these labels is this. */
  told(status: ToldAlert['status'], labels: Labels): Promise<ToldAlert>;
  /** All that was told of alerts with these labels, in order. */
  history(labels: Labels): ToldAlert[];
}

export const startAlerting = async (directory: string): Promise<Alerting> => {
  await using parts = new AsyncDisposableStack();
  const receiver = await startReceiver();
  parts.defer(() => receiver.close());
  const file = path.join(directory, 'alertmanager.yml');
  writeFileSync(file, alertmanagerConfig(`http://127.0.0.1:${receiver.port}`));
  const { url } = parts.use(await startAlertmanager(file));
  const history = (labels: Labels): ToldAlert[] => toldBy(receiver).filter((alert) => has(alert.labels, labels));
  const all = parts.move();
  return {
    url,
    history,
    held: async (labels) => {
      const alerts = (await json(`${url}/api/v2/alerts`)) as HeldAlert[]; // Alertmanager's own API
      return alerts.filter((alert) => has(alert.labels, labels));
    },
    told: (status, labels) =>
      waitFor(
        () => {
          const last = history(labels).at(-1);
          return last?.status === status ? last : null;
        },
        { what: `${JSON.stringify(labels)} to be told as ${status}`, timeoutMs: patienceMs },
      ),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
};

/** Prometheus with the shipped rules. */
export interface Watch extends AsyncDisposable {
  /** The names of all rules. */
  rules(): Promise<string[]>;
  /** Waits until an alert with these labels fires. */
  firing(labels: Labels): Promise<RuleAlert>;
  /** Waits until there is no alert with these labels. */
  over(labels: Labels): Promise<void>;
  /** What Prometheus has of a query that gives one number; null when it gives none. */
  value(query: string): Promise<number | null>;
}

export const startWatch = async (directory: string, targets: Targets, alertmanager: string): Promise<Watch> => {
  const rules = path.join(directory, 'rules');
  const file = path.join(directory, 'prometheus.yml');
  mkdirSync(rules);
  writeFileSync(path.join(rules, 'notafter.yml'), quickRules());
  writeFileSync(file, prometheusConfig(targets, new URL(alertmanager).host));
  const server = await startPrometheus(file);
  const alertsOf = async (wanted: Labels): Promise<RuleAlert[]> => {
    const answer = await json(`${server.url}/api/v1/alerts`);
    const { data } = answer as { data: { alerts: RuleAlert[] } }; // Prometheus's own API
    return data.alerts.filter(({ labels }) => has(labels, wanted));
  };
  const until = (labels: Labels, what: string) => ({
    what: `${JSON.stringify(labels)} to ${what}`,
    timeoutMs: patienceMs,
    intervalMs: 100,
  });
  return {
    rules: async () => {
      const answer = await json(`${server.url}/api/v1/rules?type=alert`);
      const { data } = answer as { data: { groups: { rules: { name: string }[] }[] } }; // likewise
      return data.groups.flatMap((group) => group.rules.map(({ name }) => name));
    },
    firing: (labels) =>
      waitFor(async () => (await alertsOf(labels)).find(({ state }) => state === 'firing'), until(labels, 'fire')),
    over: async (labels) => {
      await waitFor(async () => (await alertsOf(labels)).length === 0, until(labels, 'end'));
    },
    value: async (query) => {
      const answer = await json(`${server.url}/api/v1/query?query=${encodeURIComponent(query)}`);
      const { data } = answer as { data: { result: { value: [number, string] }[] } }; // likewise
      const [first] = data.result;
      return first === undefined ? null : Number(first.value[1]);
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]().then(() => undefined),
  };
};
