import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { durationBounds, ingestBounds } from './lifecycle/activity.ts';

const mostSources = 100;

/** Keeps a label bounded: the first hundred names stand for themselves, all later ones are `other`. */
const boundedLabel = () => {
  const known = new Set<string>();
  return (name: string): string => {
    if (!known.has(name) && known.size >= mostSources) return 'other';
    known.add(name);
    return name;
  };
};

/** What the process sees pass by. */
const pipeInstruments = (registers: Registry[]) => ({
  eventsReceived: new Counter({
    name: 'fdt_cert_events_received_total',
    help: 'Events received, by source, type and result',
    labelNames: ['source', 'type', 'result'] as const,
    registers,
  }),
  ingestDuration: new Histogram({
    name: 'fdt_cert_ingest_duration_seconds',
    help: 'Time from a request for ingest to its answer',
    buckets: [...ingestBounds],
    registers,
  }),
  applyLatency: new Histogram({
    name: 'fdt_cert_event_apply_latency_seconds',
    help: 'Time from an event being committed to its being applied',
    buckets: [...durationBounds],
    registers,
  }),
  eventTries: new Counter({
    name: 'fdt_cert_event_failures_total',
    help: 'Failed tries to apply an event, by error class',
    labelNames: ['error_class'] as const,
    registers,
  }),
  enqueueFailures: new Counter({
    name: 'fdt_cert_enqueue_failures_total',
    help: 'Groups committed but not queued at once; the reconciler queues them',
    registers,
  }),
  probes: new Counter({
    name: 'fdt_cert_probes_total',
    help: 'Addresses looked at, by what was found; a name that leads to none counts as one',
    labelNames: ['result'] as const,
    registers,
  }),
  probeDuration: new Histogram({
    name: 'fdt_cert_probe_duration_seconds',
    help: 'Time of a connection to a served certificate, by depth of the look',
    labelNames: ['depth'] as const,
    buckets: [...ingestBounds],
    registers,
  }),
  logins: new Counter({
    name: 'fdt_cert_logins_total',
    help: 'Attempts to get in, by way (token, oidc, bearer) and by what became of them: opened, refused or limited',
    labelNames: ['via', 'result'] as const,
    registers,
  }),
  reconciled: new Counter({
    name: 'fdt_cert_reconciled_events_total',
    help: 'Events queued again because no queue carried them',
    registers,
  }),
});

/** What the database and the queues hold, read at each scrape. */
const stateGauges = (registers: Registry[]) => ({
  domains: new Gauge({
    name: 'fdt_cert_domains_total',
    help: 'Domains by status',
    labelNames: ['status'] as const,
    registers,
  }),
  driftDomains: new Gauge({
    name: 'fdt_cert_drift_domains',
    help: 'Domains whose served certificate was compared with what events said, by outcome',
    labelNames: ['state'] as const,
    registers,
  }),
  eventsPending: new Gauge({
    name: 'fdt_cert_events_pending_total',
    help: 'Events waiting to be applied',
    registers,
  }),
  eventsFailed: new Gauge({ name: 'fdt_cert_events_failed_total', help: 'Dead letters', registers }),
  slaWarning: new Gauge({
    name: 'fdt_cert_domains_renewal_sla_warning_total',
    help: 'Domains whose renewal is due within the warning window',
    registers,
  }),
  slaBreach: new Gauge({
    name: 'fdt_cert_domains_renewal_sla_breach_total',
    help: 'Domains whose renewal is overdue',
    registers,
  }),
  generatedAt: new Gauge({
    name: 'fdt_cert_metrics_generated_at_seconds',
    help: 'Time the database gauges were read',
    registers,
  }),
  queueJobs: new Gauge({
    name: 'fdt_cert_queue_jobs',
    help: 'Jobs by queue and state',
    labelNames: ['queue', 'state'] as const,
    registers,
  }),
  sweepSuccess: new Gauge({
    name: 'fdt_cert_sweep_last_success_timestamp_seconds',
    help: 'Time a sweep last went through without a fault, in any process',
    labelNames: ['sweep'] as const,
    registers,
  }),
  oldestPending: new Gauge({
    name: 'fdt_cert_oldest_pending_event_timestamp_seconds',
    help: 'Time the oldest pending event was committed; 0 when none waits',
    registers,
  }),
});

/** What we see of our own work, read at each scrape. */
const ownGauges = (registers: Registry[]) => ({
  clockSkew: new Gauge({
    name: 'fdt_cert_clock_skew_seconds',
    help: "How far this host's clock is ahead of the database's, which all processes go by",
    registers,
  }),
  auditCheckpoint: new Gauge({
    name: 'fdt_cert_audit_last_checkpoint_timestamp_seconds',
    help: 'Time the audit log was last signed; 0 when it never was',
    registers,
  }),
  auditUnsigned: new Gauge({
    name: 'fdt_cert_audit_unsigned_rows',
    help: 'Rows of the audit log since its last signed checkpoint; below 0 when rows are gone',
    registers,
  }),
  retentionRound: new Gauge({
    name: 'fdt_cert_retention_last_round_timestamp_seconds',
    help: 'Time retention last went through all that is old, by table; nothing for one that is kept for ever',
    labelNames: ['of'] as const,
    registers,
  }),
  silentSources: new Gauge({
    name: 'fdt_cert_sources_silent',
    help: 'Sources silent for more than three times their usual interval, at least a day',
    registers,
  }),
  failuresSpiking: new Gauge({
    name: 'fdt_cert_event_failures_spiking',
    help: '1 while far more tries of an error class fail than within the day before, else 0',
    labelNames: ['error_class'] as const,
    registers,
  }),
  replayLoops: new Gauge({
    name: 'fdt_cert_replay_loop_events',
    help: 'Events that were replayed three times or more and failed again',
    registers,
  }),
});

/** A counter whose value is in the database; it shows nothing before it was read, so that no restart looks like a rise. */
const kept = <L extends string>(name: string, help: string, labelNames: readonly L[], registers: Registry[]) => {
  const counter = new Counter({ name, help, labelNames, registers });
  if (labelNames.length === 0) counter.remove();
  return counter;
};

/** Counters that outlive a process, read from the database at each scrape; by their names. */
const keptCounters = (registers: Registry[]) => {
  const plain = (name: string, help: string) => kept<string>(name, help, [], registers);
  const counters = {
    fdt_cert_alerts_sent_total: 'Alerts about status and drift that a receiver took',
    fdt_cert_renewal_sla_alerts_sent_total: 'Alerts about renewal deadlines that a receiver took',
    fdt_cert_runbook_triggers_total: 'Runbook triggers that a receiver took',
    fdt_cert_runbook_trigger_failures_total: 'Failed tries to trigger a runbook',
    fdt_cert_dlq_auto_replays_total: 'Dead letters replayed by policy',
    certctl_notification_dead_total: 'Notifications given up',
  };
  return new Map([
    ...Object.entries(counters).map(([name, help]) => [name, plain(name, help)] as const),
    [
      'fdt_cert_dlq_replayed_events_total',
      kept<string>(
        'fdt_cert_dlq_replayed_events_total',
        'Events replayed, by whom: person, bulk, policy or queue',
        ['by'],
        registers,
      ),
    ] as const,
    [
      'fdt_cert_dlq_escalations_total',
      kept<string>(
        'fdt_cert_dlq_escalations_total',
        'Kinds of dead letters that the policy told of because it will not replay them, by class',
        ['class'],
        registers,
      ),
    ] as const,
    [
      'fdt_cert_retention_removed_total',
      kept<string>(
        'fdt_cert_retention_removed_total',
        'Rows removed because they were old, by table',
        ['of'],
        registers,
      ),
    ] as const,
    [
      'fdt_cert_replays_total',
      kept<string>(
        'fdt_cert_replays_total',
        'Bulk replays by what became of them: started, self_paused, done or cancelled',
        ['state'],
        registers,
      ),
    ] as const,
    [
      'fdt_cert_notifications_total',
      kept<string>(
        'fdt_cert_notifications_total',
        'Tries to deliver a notification, by channel and by what they led to: sent, failed (will be tried again) or dead',
        ['channel', 'result'],
        registers,
      ),
    ] as const,
  ]);
};

/** Families that other systems know by these names; they stay empty until what they count is there. */
const reservedFamilies = (registers: Registry[]) => {
  const counters: readonly (readonly [name: string, help: string, ...labels: string[]])[] = [
    ['certctl_deploy_attempts_total', 'Deployments tried', 'target_type', 'result'],
    ['certctl_deploy_validate_failures_total', 'Deployments whose configuration did not validate', 'target_type'],
    ['certctl_deploy_reload_failures_total', 'Deployments whose server did not reload', 'target_type'],
    ['certctl_deploy_post_verify_failures_total', 'Deployments not served afterwards', 'target_type'],
    ['certctl_deploy_rollback_total', 'Deployments taken back', 'target_type', 'outcome'],
    ['certctl_deploy_idempotent_skip_total', 'Deployments that were in place already', 'target_type'],
    ['certctl_ocsp_counter_total', 'OCSP requests by what became of them', 'label'],
  ];
  for (const [name, help, ...labelNames] of counters) new Counter({ name, help, labelNames, registers }).reset();
  const replicas = new Gauge({
    name: 'fdt_cert_replication_targets_total',
    help: 'Region replicas by state',
    labelNames: ['state'] as const,
    registers,
  });
  for (const state of ['source', 'replicated', 'stale']) replicas.set({ state }, 0);
};

/** Every instrument, in one list. Labels are bounded: no domain, no id, no name that a stranger chose. */
export const createMetrics = () => {
  const registry = new Registry();
  const registers = [registry];
  reservedFamilies(registers);
  return {
    registry,
    sourceLabel: boundedLabel(),
    kept: keptCounters(registers),
    ...ownGauges(registers),
    ...pipeInstruments(registers),
    ...stateGauges(registers),
  };
};

export type Metrics = ReturnType<typeof createMetrics>;
