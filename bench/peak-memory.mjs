// Preloaded into a measured command. At its end, it writes its resource usage to the file named by BENCH_USAGE.
import { writeFileSync } from 'node:fs';

process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  const { maxRSS } = process.resourceUsage();
  writeFileSync(process.env.BENCH_USAGE, JSON.stringify({ cpu: (user + system) / 1e6, peak: maxRSS * 1024 }));
});
