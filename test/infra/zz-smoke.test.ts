import { startCloud } from '../support/grid/cloud.ts';
import { StackDesk } from './stack-desk.ts';
describe('smoke', function () {
  this.timeout(120_000);
  it('x', async () => {
    const cloud = await startCloud();
    const desk = new StackDesk(cloud);
    desk.configure({manager:{allow:['203.0.113.0/24']}});
    try {
    for (const args of [['infra','plan']]) {
      cloud.takeCalls();
      const e = await desk.run(args);
      console.log(args.join(' '), e.code); console.log(e.stdout); console.log(e.stderr);
      for (const c of cloud.takeCalls().filter(c=>c.status>=500).slice(0,1)) { console.log(c.body); const r = await fetch(cloud.url,{method:'POST',body:c.body,headers:{authorization:String(c.headers.authorization),'content-type':String(c.headers['content-type'])}}); console.log(r.status,(await r.text()).slice(0,1500)); }
    }
    } finally { await desk.remove(); await cloud.close(); }
  });
});
