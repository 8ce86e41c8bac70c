import { randomFillSync } from 'node:crypto';
import { hostname } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { JailCounts } from './jail-counts.ts';
import { createCheckpointer } from './checkpointer.ts';
import { createControlApi } from './control-api.ts';
import { createEventFeed } from '../control/event-feed.ts';
import type { DaemonApi } from '../control/protocol.ts';
import type { Trip } from '../decide/breaker.ts';
import { Decider } from '../decide/decider.ts';
import { createEvents } from './events.ts';
import { type HostFacts, readHost } from '../host/host.ts';
import { linkKernel, observing } from './kernel-link.ts';
import { allJails, changesOf, labelsOf, type Loaded, restartNeeded, usedFilters } from '../loaded.ts';
import type { Log } from './log.ts';
import { createMatcher } from '../match/matcher.ts';
import type { OwnHost } from '../match/own-way.ts';
import { createMetrics, type Metrics } from '../metrics/registry.ts';
import type { Jail } from '../model/decision.ts';
import { createPipeline, type PipelineRules } from '../pipeline.ts';
import { prefixesOf, protectionsOf } from './protection.ts';
import { createRulesSieve } from '../sieve/rules-sieve.ts';
import { createReloading } from './reloading.ts';
import { createForeign } from './foreign.ts';
import { createSources, inputsOf, type SourceState } from './sources.ts';
import { openStore } from '../store/store.ts';

export interface DaemonDeps {
  readonly loaded: Loaded;
  /** Read just now. */
  readonly host: HostFacts;
  /** Path of nft; undefined: observe, and `because` says why. */
  readonly nft: string | undefined;
  readonly because: string;
  readonly log: Log;
  readonly nowMs: () => number;
  readonly version: string;
  /** Reads the configuration again. */
  readonly reload: () => Promise<{ readonly loaded: Loaded; readonly warnings: readonly string[] } | { readonly mistakes: string }>;
}

export interface Daemon {
  readonly api: DaemonApi;
  readonly metrics: Metrics;
  /** The sources as they are. */
  readonly sources: () => readonly SourceState[];
  /** Whether what must turn turns: the loop does if this is asked; nft must answer, or have said that it does not. */
  readonly healthy: () => boolean;
  /** undefined: ready. Else what is still missing. */
  readonly missing: () => string | undefined;
  /** Bans stay in the kernel. */
  readonly stop: () => Promise<void>;
}

/** How often what is over is ended, what the host says of itself is read, and what changed is stored; ms. */
const everyMs = { expire: 1_000, host: 30_000, checkpoint: 200 } as const;
/** Stored bans that are put back in one turn of the loop, 10 to 20 ms. */
const bansAtOnce = 4_000;
/** NTP moves the clock by less. */
const clockJumpMs = 2_000;
/** Bounds that nobody needs to set: a ban is 300 bytes. */
const most = { bans: 1_000_000, history: 1_000_000, events: 1_000 } as const;

/** Joins all parts and starts them. @throws if the state cannot be used at all */
export async function startDaemon(deps: DaemonDeps): Promise<Daemon> {
  const { log, nowMs, version } = deps;
  const startedMs = nowMs();
  let { loaded } = deps;
  let loadedMs = startedMs;
  let ready: string | undefined = 'starting';

  const metrics = createMetrics({ version, node: process.version });
  const feed = createEventFeed(most.events);
  const events = createEvents({ log, metrics, feed, nowMs });
  const counts = new JailCounts();

  const { config } = loaded;
  const observes = deps.nft === undefined;
  /** Where nothing reaches the kernel every jail observes, so that nothing is called a ban that is none. */
  const inForce = (jails: readonly Jail[]): readonly Jail[] => (observes ? jails.map((jail) => ({ ...jail, observe: true })) : jails);
  const seed = randomFillSync(new Uint32Array(2));
  const decider = new Decider(
    inForce(allJails(loaded)),
    {
      seed: [seed[0] ?? 0, seed[1] ?? 0],
      maxSubjects: config.limits.subjects,
      maxBans: most.bans,
      maxHistory: most.history,
      evidenceBytes: config.limits.evidenceBytes,
      breaker: config.breaker,
    },
    { bantime: config.defaults.bantime, prefix: config.defaults.prefix, observe: observes },
  );
  const kernel =
    deps.nft === undefined ? observing : linkKernel({ nft: deps.nft, setSize: config.enforce.setSize, decider, events, metrics, nowMs });

  let { host } = deps;
  for (const problem of host.problems) events.notice('warning', problem);
  const store = openStore(config.state.path, startedMs);
  if (store.trouble !== undefined) events.notice('error', store.trouble);
  let storeTrouble = store.trouble;
  const stored = store.load();
  decider.protect(protectionsOf(config, host), startedMs);
  const allow = () => prefixesOf(decider.neverBanned.entries);
  const restoring = decider.restoring(stored, startedMs, bansAtOnce);
  restoring.next();
  // Before everything that can wait until the hosts are shut out. The table is made while the bans are put back.
  const { promise: whenRestored, resolve: tellRestored } = Promise.withResolvers<void>();
  const enforcing = kernel.start(decider.jails, allow(), whenRestored);
  let step = restoring.next();
  for (; step.done !== true; step = restoring.next()) await turn();
  const restored = step.value;
  tellRestored();
  const enforced = await enforcing;
  if (enforced.kind === 'not_yet') events.notice('error', `bans are not in the kernel yet: ${enforced.why}`);
  // What was written is everything; later changes come on top.
  decider.takeKernelChanges(startedMs);
  const checkpointer = createCheckpointer({
    store,
    changes: () => decider.takeChanges(),
    everyMs: everyMs.checkpoint,
    cursors: stored.cursors,
    failed: (why) => {
      storeTrouble = why === undefined ? undefined : `cannot write ${store.path}: ${why}; bans since then are not known after a restart`;
      if (why !== undefined) metrics.store.errors.inc();
      events.notice(why === undefined ? 'notice' : 'error', storeTrouble ?? `${store.path} is written again`);
    },
  });

  const rulesOf = (next: Loaded): PipelineRules => {
    const { sources } = next.config;
    const own: OwnHost = {
      own: sources.own,
      hostname: hostname(),
      isOwnAddress: (address) => host.ownAddresses.has(address),
      headerless: new Set(sources.files.flatMap(({ name, program }) => (program === undefined ? [] : [name]))),
    };
    return { matcher: createMatcher(usedFilters(next)), own, maxSkewMs: sources.maxSkewMs, jails: allJails(next) };
  };
  const pipeline = createPipeline(
    {
      decider,
      events,
      counts,
      nowMs,
      mode: 'live',
      changed: (changes, record) => {
        kernel.apply(changes, record);
        checkpointer.soon();
      },
      carriedOut: (decision, detection) => foreign.carriedOut(decision, detection),
      cameAgain: (jail, subject) => foreign.cameAgain(jail, subject),
    },
    rulesOf(loaded),
  );
  const foreign = createForeign({
    pipeline,
    decider,
    events,
    counts,
    nowMs,
    acts: !observes,
    held: () => sources.hold(),
  });
  const sieve = createRulesSieve(usedFilters(loaded));
  const sources = createSources({
    events,
    metrics,
    nowMs,
    handle: pipeline.handle,
    checkpointer,
    sieve,
    foreign,
    limits: config.limits,
  });
  foreign.use(loaded.foreign);

  const label = (): void => {
    metrics.configure(labelsOf(loaded, foreign.inputs()), nowMs());
    metrics.alsoAsFail2ban(loaded.config.fail2banNames ? allJails(loaded) : undefined);
  };
  label();
  metrics.configLoaded(true, startedMs);
  metrics.onScrape(() => {
    metrics.store.sizeBytes.set(store.sizeBytes());
    const { rows, most: mostRows, givenUp } = checkpointer.waiting();
    metrics.queue('store').length.set(rows);
    metrics.queue('store').capacity.set(mostRows);
    metrics.queue('store').dropped.failed.follow(givenUp);
    const { lines, most: mostLines } = foreign.waiting();
    metrics.queue('worker').length.set(lines);
    metrics.queue('worker').capacity.set(mostLines);
    for (const { name } of decider.jails) {
      const { tracked, evictions } = decider.counts(name);
      metrics.jail(name).trackedSubjects.set(tracked);
      metrics.jail(name).evictions.follow(evictions);
    }
    metrics.breaker.open.set(decider.breaker?.trip === undefined ? 0 : 1);
    const { historyEvicted, evidenceEvicted } = decider.totals();
    metrics.bounds.history.follow(historyEvicted);
    metrics.bounds.evidence.follow(evidenceEvicted);
    // Meant to ban, also where nft is not permitted: an alert tells that nobody is banned.
    const disabled = foreign.disabled();
    const running = allJails(loaded).filter(({ name }) => !disabled.has(name));
    const observing = running.filter(({ observe }) => observe || loaded.config.enforce.mode === 'observe').length;
    metrics.jails.observe.set(observing);
    metrics.jails.enforce.set(running.length - observing);
    metrics.jails.disabled.set(disabled.size + loaded.disabled.length);
  });

  for (const ban of decider.bans()) {
    events.restored(ban);
    counts.restored(ban.jail);
    foreign.restored(ban);
  }
  pipeline.announce(restored.filter(({ kind }) => kind !== 'unban'));
  await sources.use([...inputsOf(config, usedFilters(loaded)), ...foreign.inputs()]);

  let saidTrip: Trip | undefined;
  const sayBreaker = (): void => {
    const trip = decider.breaker?.trip;
    if (trip === saidTrip) return;
    saidTrip = trip;
    if (trip === undefined) return;
    metrics.breaker.trips[trip.because].inc();
    events.notice('error', stoppedBans(trip));
  };

  let lastMs = nowMs();
  let lastTick = process.hrtime.bigint();
  const expiry = setInterval(() => {
    const now = nowMs();
    const tick = process.hrtime.bigint();
    // The wall clock went another way than time itself.
    const jumpMs = now - lastMs - Number(tick - lastTick) / 1e6;
    if (Math.abs(jumpMs) > clockJumpMs) {
      metrics.clockJumps.inc();
      events.notice('warning', `the clock was set by ${Math.round(jumpMs / 1_000)} s; bans end by the new one`);
    }
    lastMs = now;
    lastTick = tick;
    pipeline.announce(decider.expire(now));
    sayBreaker();
  }, everyMs.expire);
  const look = setInterval(() => {
    readHost({ previous: host, nowMs: nowMs() }).then(
      (facts) => {
        host = facts;
        for (const problem of facts.problems) events.notice('warning', problem);
        pipeline.announce(decider.protect(protectionsOf(loaded.config, host), nowMs()));
        kernel.setAllow(allow());
      },
      (error: unknown) =>
        events.notice('warning', `cannot read what must never be banned on this host: ${String(error)}; the last list stays`),
    );
  }, everyMs.host);
  ready = undefined;

  const use = async (next: Loaded) => {
    const last = loaded;
    const before = last.config;
    // Lines on their way are decided on by the jails that they were read for.
    await foreign.pause();
    loaded = next;
    loadedMs = nowMs();
    const after = loaded.config;
    const decisions = decider.reload(inForce(allJails(loaded)), loadedMs);
    foreign.use(loaded.foreign);
    decider.breaker?.configure(after.breaker);
    label();
    pipeline.use(rulesOf(loaded));
    sieve.use(usedFilters(loaded));
    pipeline.announce(decisions);
    pipeline.announce(decider.protect(protectionsOf(after, host), loadedMs));
    pipeline.changed();
    const written = await kernel.configure(decider.jails, allow());
    await sources.use([...inputsOf(after, usedFilters(loaded)), ...foreign.inputs()]);
    metrics.configLoaded(true, loadedMs);
    const warnings = [...restartNeeded(before, after), ...(written.kind === 'not_yet' ? [written.why] : [])];
    return { changes: changesOf(last, loaded, decisions), warnings };
  };
  const reloading = createReloading({
    read: deps.reload,
    inForce: () => loaded,
    use,
    refused: () => metrics.configLoaded(false, nowMs()),
    notice: events.notice,
    nowMs,
  });

  const breakerTrouble = (): string | undefined => {
    const trip = decider.breaker?.trip;
    return trip === undefined ? undefined : stoppedBans(trip);
  };
  const api = createControlApi({
    decider,
    pipeline,
    kernel,
    checkpointer,
    sources,
    events,
    counts,
    metrics,
    feed,
    nowMs,
    version,
    startedMs,
    mode: { enforce: kernel === observing ? 'observe' : 'nftables', because: deps.because },
    inForce: () => ({ loaded, sinceMs: loadedMs }),
    ready: () => ready === undefined,
    disabled: foreign.disabled,
    byHand: foreign.byHand,
    problems: () =>
      [
        kernel.trouble(),
        breakerTrouble(),
        storeTrouble,
        reloading.waiting(),
        ...[...foreign.disabled()].map(([jail, why]) => `jail ${jail} is disabled: ${why}`),
        ...loaded.disabled.map(({ jail, why }) => `jail ${jail} is left out: ${why}`),
      ].filter((each) => each !== undefined),
    reload: ({ confirmMs }) => reloading.reload(confirmMs),
    confirm: reloading.confirm,
  });
  return {
    api,
    metrics,
    sources: sources.states,
    healthy: () => ready === undefined,
    missing: () => ready ?? kernel.trouble(),
    stop: async () => {
      ready = 'stopping';
      clearInterval(expiry);
      clearInterval(look);
      // Sources that a reload opens must not outlive those that are stopped here.
      await reloading.stop();
      await sources.stop();
      await foreign.stop();
      await kernel.settled();
      const unstored = checkpointer.stop();
      if (unstored !== undefined) log('error', `what changed last is not stored: ${unstored}`);
      await kernel.stop();
      store.close();
    },
  };
}

function stoppedBans({ detail }: Trip): string {
  return `no new bans are made: ${detail}. If that is a mistake, mend the rule and unban; then, or if it was none: sluice reset-breaker`;
}
