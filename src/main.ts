import { exit } from './cli/exit.ts';
import type { RunOptions } from './cli/options.ts';
import type { Config } from './config/config.ts';
import { machineNotes, type Machine } from './config/built-in.ts';
import { expectNobody } from './control/listen.ts';
import { startControl } from './control/server.ts';
import { giveBackWhenIdle } from './daemon/idle-memory.ts';
import { type Daemon, startDaemon } from './daemon/daemon.ts';
import { type Diagnostic, formatDiagnostic, formatDiagnostics } from './diagnostic.ts';
import { findNft, type Permission, probeNft } from './enforce/nft-probe.ts';
import { allJails, type Loaded } from './loaded.ts';
import { createLog, type Log } from './daemon/log.ts';
import { probeMachine } from './daemon/machine.ts';
import { serveMetrics } from './metrics/server.ts';
import { createNotifier } from './daemon/notify.ts';
import { readHost } from './host/host.ts';
import { loadSetup } from './setup.ts';
import { readVersion } from './version.ts';

/** More is not read by anybody while it scrolls by. */
const logLinesPerSecond = 200;

/** `sluice run`: the daemon, in the foreground, until SIGTERM or SIGINT. @returns exit code */
export async function run(options: RunOptions): Promise<number> {
  const version = readVersion();
  // Before any child runs: a SIGTERM that comes while one is being waited for is lost otherwise.
  const signal = ended();
  let reload = (): void => {};
  process.on('SIGHUP', () => reload());
  const log = createLog({ nowMs: Date.now, linesPerSecond: logLinesPerSecond });
  // Both are asked now, and answered while the configuration is read.
  const permission = options.observe ? undefined : probeNft(findNft());
  let machine: Machine | undefined;
  const probe = async (): Promise<Machine> => (machine ??= await probeMachine());
  const read = () => load(options, probe);

  const host = readHost();
  const first = await read();
  if ('mistakes' in first) {
    process.stderr.write(`${first.mistakes}\nsluice run: the configuration cannot be used; nothing was started\n`);
    return exit.unusable;
  }
  const { loaded } = first;
  for (const warning of first.warnings) for (const line of warning.split('\n')) log('warning', line);
  const enforcing = await chooseMode(permission, loaded);
  if (enforcing.refused) log('warning', enforcing.because);

  let daemon: Daemon;
  try {
    await expectNobody(loaded.config.control.socket);
    daemon = await startDaemon({
      loaded,
      host: await host,
      nft: enforcing.nft,
      because: enforcing.because,
      log,
      nowMs: Date.now,
      version,
      reload: read,
    });
  } catch (error) {
    log('error', `cannot start: ${text(error)}`);
    return exit.failed;
  }
  const services = await serve(loaded.config, daemon, log);
  if (services === undefined) {
    await daemon.stop();
    return exit.failed;
  }
  for (const line of greeting(loaded, daemon, enforcing, services.metricsPort, options.fail2ban === undefined ? machine : undefined))
    log('notice', line);

  const notifier = createNotifier({
    environment: { ...process.env },
    pid: process.pid,
    healthy: daemon.healthy,
    onError: (error) => log('warning', text(error)),
  });
  // Children must not speak for us.
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete process.env[name];
  reload = () => {
    void notifier
      .reloading()
      .then(() => daemon.api.reload({}))
      .then((reply) => {
        if (reply.outcome === 'refused') for (const line of reply.mistakes.flatMap((mistake) => mistake.split('\n'))) log('error', line);
        else for (const warning of reply.warnings) for (const line of warning.split('\n')) log('warning', line);
        return notifier.ready('running');
      })
      .catch((error: unknown) => log('error', `cannot reload: ${text(error)}`));
  };
  await notifier.ready('running');
  const memory = giveBackWhenIdle();
  const name = await signal;
  memory.stop();
  // Under a service manager this is the ordinary end; at a terminal it is Ctrl-C.
  await notifier.stopping('stopping');
  log(
    'notice',
    `${name}: stopping${enforcing.nft === undefined ? '' : '; bans stay in force. To lift them all: sluice unban --all --offline'}`,
  );
  await services.close();
  await daemon.stop();
  notifier.close();
  return name === 'SIGINT' ? exit.interrupted : exit.ok;
}

/** Also used by a reload: reads everything beside what is in force. */
async function load(
  { config: given, fail2ban }: RunOptions,
  probe: () => Promise<Machine>,
): Promise<{ readonly loaded: Loaded; readonly warnings: readonly string[] } | { readonly mistakes: string }> {
  const { rules, loaded, foreign, mistakes, warnings } = await loadSetup(given, probe, { fail2ban });
  if (mistakes !== '' || loaded.reading.kind === 'mistakes') return { mistakes };
  const { config, written } = loaded.reading;
  const lineOf = (file: string, line: number): string | undefined => loaded.texts.get(file)?.split(/\r?\n/)[line - 1];
  return {
    loaded: {
      config,
      written,
      path: loaded.path,
      filters: rules.filters,
      foreign: foreign.jails,
      disabled: foreign.disabled.map(({ jail, diagnostics }) => ({ jail, why: diagnostics.map(placeAndMessage).join('; ') })),
    },
    warnings: [
      ...warnings.map((each) => formatDiagnostic(each, rules.sourceLine(each) ?? lineOf(each.file, each.line))),
      ...foreign.disabled.map(({ jail, diagnostics }) => `jail ${jail} is left out: ${formatDiagnostics(diagnostics, foreign.texts)}`),
    ],
  };
}

function placeAndMessage({ file, line, message }: Diagnostic): string {
  return `${file}:${line}: ${message}`;
}

/** Whether the kernel is touched, and by whose word it is not. */
interface Mode {
  readonly nft: string | undefined;
  readonly because: string;
  /** Wanted, and not permitted. */
  readonly refused: boolean;
}

/** @param permission undefined: not asked, because nobody is to be banned */
async function chooseMode(permission: Promise<Permission> | undefined, { config, written, path }: Loaded): Promise<Mode> {
  if (permission === undefined) return { nft: undefined, because: 'run --observe', refused: false };
  const place = written(['enforce', 'mode']);
  const where = place === undefined || path === undefined ? 'built-in default' : `enforce.mode in ${place.file}:${place.line}`;
  const permitted = await permission;
  if (!permitted.permitted)
    return { nft: undefined, because: `${permitted.why}; ${permitted.mend}`, refused: config.enforce.mode === 'nftables' };
  if (config.enforce.mode === 'observe') return { nft: undefined, because: where, refused: false };
  return { nft: findNft(), because: where, refused: false };
}

/** Opens what others connect to. @returns undefined after saying why the control socket cannot be had; without metrics it goes on */
async function serve(config: Config, daemon: Daemon, log: Log) {
  const onError = (message: string): void => log('warning', message);
  let control: { readonly close: () => Promise<void> };
  try {
    control = await startControl({ socketPath: config.control.socket, group: config.control.group, daemon: daemon.api, onError });
  } catch (error) {
    log('error', text(error));
    return undefined;
  }
  let metrics: Awaited<ReturnType<typeof serveMetrics>> | undefined;
  if (config.metrics !== undefined) {
    try {
      metrics = await serveMetrics(config.metrics, {
        text: daemon.metrics.text,
        missing: daemon.missing,
        onError: (error) => log('warning', text(error)),
        onRefused: () => daemon.metrics.bounds.metrics_clients.inc(),
      });
    } catch (error) {
      log('error', `${text(error)} Metrics are not served.`);
    }
  }
  return {
    metricsPort: metrics?.address.port,
    close: async () => {
      await Promise.all([control.close(), metrics?.close()]);
    },
  };
}

/** What a person wants to know first: what is read, what is enforced, where to look, what to try. */
function greeting(
  loaded: Loaded,
  daemon: Daemon,
  mode: Mode,
  metricsPort: number | undefined,
  machine: Machine | undefined,
): readonly string[] {
  const sources = daemon
    .sources()
    .map(({ input, up, detail }) => `  ${up ? 'reads' : 'waits for'} ${input.name}${detail === '' ? '' : `: ${detail}`}`);
  const { config, path, disabled } = loaded;
  const jails = allJails(loaded).map(({ name, observe }) => (observe ? `${name} (observing)` : name));
  return [
    `sluice ${readVersion()}, ${path === undefined ? 'built-in defaults (no /etc/sluice/sluice.yaml)' : `configuration ${path}`}`,
    ...(machine === undefined ? [] : machineNotes(machine).map((note) => `  ${note}`)),
    ...sources,
    mode.nft === undefined ? `  observes only, nobody is banned: ${mode.because}` : '  bans with nftables, table inet sluice',
    `  jails: ${jails.length === 0 ? 'none' : jails.join(', ')}`,
    ...(disabled.length === 0
      ? []
      : [`  left out, see the warnings above or sluice status: ${disabled.map(({ jail }) => jail).join(', ')}`]),
    metricsPort === undefined ? '  no metrics' : `  metrics: http://${config.metrics?.host}:${metricsPort}/metrics`,
    `  control: ${config.control.socket}`,
    `  try: sluice test '${sample}' --filter postfix`,
    '  then: sluice status; sluice events -f   (in a checkout: ./bin/sluice)',
  ];
}

/** A line that the shipped rules find: what `sluice test` makes of it shows a newcomer the way. */
const sample = 'NOQUEUE: reject: RCPT from unknown[192.0.2.4]: 454 4.7.1 <a@b.example>: Relay access denied';

/** Resolves with the first signal that asks to stop; a second one ends the process at once. */
function ended(): Promise<string> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.once(signal, () => {
        resolve(signal);
        process.once(signal, () => process.exit(exit.interrupted));
      });
    }
  });
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
