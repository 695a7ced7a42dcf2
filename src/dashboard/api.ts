// Made by `npm run api` of the API's document: change that, not this.
export interface paths {
    "/api/v1/checks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Check the configuration, services and disk; suggest fixes
         * @description Checks everything that jobs depend on: the configuration, this machine, workers and open jobs. On the local profile, also the root directory and its file system, the ledger and the queue. On AWS, also the credentials and their expiry, the bucket, its lifecycle rules and conditional writes, queues, ledger, clock and proxy. All checks run at once and take seconds; one that hangs is abandoned. Leaves nothing behind.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl doctor`.
         */
        get: operations["doctor"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/data": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the raw data in the store
         * @description Lists the raw data in the store by key, and prints rows as they arrive.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl ls`.
         */
        get: operations["ls"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * everything that is going on, as it changes
         * @description Server-sent events: `overview`, at once and after each change, with the document `Overview` on one line as its data; `trouble`, with an error, if an update failed; `leaving` when the manager shuts down. A comment every 15 s shows that the connection is alive. After a disconnect, connect again: each event is complete. Requires the scope `read`.
         */
        get: operations["overview"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/firings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show the next ten firings
         * @description Shows the next ten firings, soonest first. A paused schedule has none.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl schedule next`.
         */
        get: operations["scheduleNext"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/groups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Set or show the size of a worker group
         * @description Makes a single request for the required size. Surplus workers finish their tasks and exit. Without a size, shows the size of each group, its backlog, and why launches fail. On AWS a worker is an instance of an Auto Scaling group; on the local profile it is a process on this machine, kept running until the size is 0.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl scale`.
         */
        get: operations["scaleShow"];
        put?: never;
        /**
         * Set or show the size of a worker group
         * @description Makes a single request for the required size. Surplus workers finish their tasks and exit. Without a size, shows the size of each group, its backlog, and why launches fail. On AWS a worker is an instance of an Auto Scaling group; on the local profile it is a process on this machine, kept running until the size is 0.
         *
         *     Requires the scope `read`; with n `operate`, with min `operate`, with max `operate`, with auto `operate`, with manual `operate`, with for `operate`, with slots `operate`.
         *
         *     On the command line: `batchctl scale`.
         */
        post: operations["scale"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/health": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * state of the manager: its store and duties
         * @description Always 200: `status` tells whether something needs attention. `/readyz` is for load balancers. Requires the scope `read`.
         */
        get: operations["managerHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List jobs, newest first
         * @description The newest job comes first.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl jobs`.
         */
        get: operations["jobs"];
        put?: never;
        /**
         * Split the input into tasks and queue them
         * @description Splits the input into parts, sends a task for each, and raises the groups that run them once (those in auto mode). The same --run-key again yields the same job and sends nothing. With --quiet it prints only the id. An unattended start time or deadline requires a manager, batchctl tick from cron, or --watch.
         *
         *     Requires the scope `submit`.
         *
         *     On the command line: `batchctl submit job.yaml`.
         */
        post: operations["submit"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show the progress of each step of a job
         * @description Shows the progress of each step. It costs the same for ten tasks and for ten million.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl status`.
         */
        get: operations["status"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /**
         * Change the deadline, tolerance or limits of an open job
         * @description Changes the limits of an open job. A higher tolerance opens a gather that was waiting for it. --at moves a job submitted with --at; workers that returned its tasks come back to them within 15 minutes.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl adjust last --finish-by "tomorrow 06:00"`.
         */
        patch: operations["adjust"];
        trace?: never;
    };
    "/api/v1/jobs/{job}/cancellations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End a job permanently and keep its outputs
         * @description Ends a job permanently: stops running attempts and drops waiting tasks. Keeps its published outputs.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl cancel last --yes`.
         */
        post: operations["cancel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * a job's status, as it changes
         * @description Server-sent events: `status`, at once and after each change, with the document `Status` on one line as its data; `trouble`, with an error, if an update failed; `leaving` when the manager shuts down. After the `status` of a job that has ended, `end` with `{}` follows, and the stream closes. A comment every 15 s shows that the connection is alive. After a disconnect, connect again: each event is complete. Requires the scope `read`.
         */
        get: operations["jobEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/failures": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Group failed tasks by cause, with counts and an example of each
         * @description Shows why tasks failed for good, as of now. Failures are grouped by step, exit code, reason and last line of stderr, ignoring numbers, ids, paths and times. A cause has the same id in every job. Also works while the job is running.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl failures`.
         */
        get: operations["failures"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show who decided what about a job, and when
         * @description Shows who decided what about a job, and when: its acceptance and its journal, oldest first. `prune` keeps it.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl history last`.
         */
        get: operations["history"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/kills": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * End a task's running attempt, then retry or fail the task
         * @description Ends a task's running attempt at the next heartbeat of its worker.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl tasks kill last price/17`.
         */
        post: operations["tasksKill"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Print what attempts wrote to stderr
         * @description Prints what attempts wrote to stderr, each after a line (on stderr) that names the attempt. For a running attempt it shows the tail that its worker uploaded last: every third of a lease, at most every 30 s. --follow requires a task, continues with its next attempts, and stops when the task is done or has failed for good. Ctrl-C stops following, not the task.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl logs last --failed`.
         */
        get: operations["logs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/pauses": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Stop taking tasks of a job
         * @description No task of the job is taken until it is resumed. Workers react within a third of a lease. A returned attempt does not count as a failure.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl pause last`.
         */
        post: operations["pause"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/proofs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Prove that nothing was lost, duplicated or altered
         * @description Proves from the store alone that every input byte is in exactly one part, and that every chain was published, failed within tolerance, or was skipped by name. The proof is stored with the job, and contains the hash of the previous proof.
         *
         *     Requires the scope `submit`; with repair `operate`.
         *
         *     On the command line: `batchctl verify`.
         */
        post: operations["verify"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/report": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Report durations, waiting, throughput and failures of a job; HTML too
         * @description Reports how a job went: durations by step, waiting, throughput over time, what each worker ran, causes of failures and the slowest tasks. html writes a single self-contained file. Quantiles are exact up to 10,000 tasks per step, and within 1 % above that. --regress compares the total time, p50 and p95 of each step, failures, retries and cost; if the jobs differ in size, it compares total time, failures, retries and cost per task.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl report`.
         */
        get: operations["report"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/resumptions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Resume a paused job
         * @description Resumes a paused job, or completes an interrupted submission. Sends every undecided task at once; with --with they run as the corrected job file says.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl resume last`.
         */
        post: operations["resume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/retries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Run failed tasks again
         * @description Retries tasks that failed for good: all of them, those given by --task, or those of a cause. Changes apply to these tasks and to the tasks that depend on them; published outputs stay unchanged. --dry-run shows everything that would change.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl retry last`.
         */
        post: operations["retry"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/skips": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Skip named tasks with a reason, or undo a skip
         * @description Skips tasks that failed for good or are not decided yet. The gather opens without them, the job can succeed, and the proof records the tasks, who skipped them and why. A closed job reopens until everything is decided.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl skip last --task price/17 --reason "claim withdrawn, ticket 4711"`.
         */
        post: operations["skip"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/tasks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List tasks, or all attempts of one task
         * @description Lists tasks by step and number, one per line; with --task, one attempt per line.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl tasks last --state failed`.
         */
        get: operations["tasks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/jobs/{job}/why": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Explain why a job is slow, stuck or failing, and how to fix it
         * @description Explains why a job is slow, stuck or failing. Checks its journal and outputs, queues, workers and supervisors, the ledger, disks and credentials. Lists the most important cause first, each with the command that fixes it. Changes nothing.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl why`.
         */
        get: operations["why"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * the caller, and the manager that is called
         * @description Requires the scope `read`.
         */
        get: operations["me"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/objects": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * an object's bytes
         * @description On S3, the answer is 307 with a URL that is signed for a few minutes; follow it without the token. Otherwise the answer contains the bytes. `Range` and `If-Match` are supported, and metadata is returned as `x-amz-meta-*`, like S3.
         *
         *     Requires the scope `read`.
         */
        get: operations["getObject"];
        /**
         * upload an object through the manager
         * @description Only if `POST /uploads` says so. The object appears only when all bytes have arrived with the right checksum.
         *
         *     Requires the scope `submit`.
         */
        put: operations["putObject"];
        post?: never;
        delete?: never;
        options?: never;
        /**
         * size and metadata of an object
         * @description Size, entity tag, time and metadata as headers; the time in milliseconds as `x-batchctl-modified`.
         *
         *     Requires the scope `read`.
         */
        head: operations["headObject"];
        patch?: never;
        trace?: never;
    };
    "/api/v1/objects/list": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * keys below a prefix, in order
         * @description Requires the scope `read`.
         */
        get: operations["listObjects"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * this document
         * @description Requires the scope `read`.
         */
        get: operations["openapi"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/plans": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Show what a submission would do, without writing anything
         * @description Shows what submit would do: inputs, parts, tasks, messages, files and deadline. If the job has run before, also forecasts how long it will take and whether it will meet the deadline. Writes nothing.
         *
         *     Requires the scope `submit`.
         *
         *     On the command line: `batchctl plan job.yaml`.
         */
        post: operations["plan"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/prunings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Remove the outputs, parts and logs of finished jobs
         * @description Removes the outputs, parts, failures and logs of closed jobs. Keeps job.json, the journal, proofs and run keys, so status, verify and history still work and a run key is not run twice. Also removes uncommitted submissions, code that no job uses, and leftovers of old workers. Keeps jobs that are open or not yet delivered, and those whose outputs an open job reads. Asks for confirmation; --yes confirms, --dry-run shows what would be removed.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl prune --dry-run`.
         */
        post: operations["prune"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/purges": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Delete the messages waiting in a queue
         * @description Deletes waiting messages, but not those held by workers, nor dead letters. No task is lost: resume, a manager or tick re-sends the undecided tasks of open jobs. To end a job's work, cancel it.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl queue purge --confirm default`.
         */
        post: operations["queuePurge"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/queues": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show how many messages are waiting, leased, delayed and dead
         * @description Counts are samples: an empty queue does not mean that a job is done. See batchctl status for that.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl queue`.
         */
        get: operations["queue"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/rebuilds": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Rebuild the ledger from the store
         * @description Rebuilds the ledger's records of every job from the store. Only adds records and deletes nothing; may run while workers work, and may be repeated. The store has no record of workers, waiting times and returned attempts, so those stay unknown.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl ledger rebuild`.
         */
        post: operations["ledgerRebuild"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/redrives": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Send dead letters back to their queue
         * @description Sends dead letters back unchanged. If the task failed for good, it is retried in a new round, as with batchctl retry.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl queue redrive`.
         */
        post: operations["queueRedrive"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/removals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Remove raw data
         * @description Removes all the given raw data from the store, or nothing if something stands against it. Asks for confirmation; --yes confirms.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl rm claims/2026-10.csv`.
         */
        post: operations["rm"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/rounds": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Do one round: fire due schedules and look after open jobs
         * @description Does one round: fires due schedules and looks after open jobs. It opens gathers, closes jobs, raises groups, lowers groups whose launches hang without work, re-sends lost tasks, notifies, delivers outputs, and records that it ran. Call it every minute from a crontab, on any number of hosts. With --quiet it prints only problems, and repeats each at most once an hour.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl tick`.
         */
        post: operations["tick"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List schedules with their next firing and the result of the last
         * @description Shows the next firing of each schedule and the result of the last.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl schedule ls`.
         */
        get: operations["scheduleLs"];
        put?: never;
        /**
         * Run a job on a schedule, once per period
         * @description Stores a job, its files and its times. Any host that runs batchctl tick or a manager then fires it. Each period runs once, as its run key can be claimed only once. {period} in inputs, --input and deliver.to is 2026-11 for a calendar, and 2026-11-30T06:00 for cron. Times are in --tz, or the profile's zone: a time that the clocks skip runs at the first instant after it, and a time that occurs twice runs once.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl schedule add month-end claims.yaml --calendar last-business-day --holidays holidays`.
         */
        post: operations["scheduleAdd"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Show a schedule and the results of its last periods
         * @description Shows what it fires and when, and the results of its last ten periods. A period that did not fire in time is missed; run it with schedule run.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl schedule show month-end`.
         */
        get: operations["scheduleShow"];
        put?: never;
        post?: never;
        /**
         * Remove a schedule and keep its jobs
         * @description The schedule stops firing. Its jobs and the run keys of its periods stay, so a new schedule of the same name runs none of them again.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl schedule rm month-end --yes`.
         */
        delete: operations["scheduleRm"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{name}/pauses": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Stop a schedule from firing until it is resumed
         * @description Stops firing the schedule until it is resumed. Periods that fall due meanwhile are not made up for; run them with schedule run. Jobs that have started continue.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl schedule pause month-end`.
         */
        post: operations["schedulePause"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{name}/resumptions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Resume a paused schedule
         * @description Resumes firing at the next time. To run periods that fell due during the pause, use schedule run for each.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl schedule resume month-end`.
         */
        post: operations["scheduleResume"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/{name}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Fire one period by hand
         * @description Fires one period by hand: one that was missed, fell into a pause, or is still to come (it then does not run again at its time). For a period that has already run, it returns that job. With --quiet it prints only the id.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl schedule run month-end --period 2026-11`.
         */
        post: operations["scheduleRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * ask how to upload an object
         * @description `present`: the bytes exist already. `put`: send them with one PUT to `url` with `headers`; send the token only if `token` is true. `parts`: send slices of `partSize` bytes, each with a PUT to a URL signed by `/uploads/parts`, then complete the upload. The bucket removes uncompleted uploads after a week. A key that an open job reads is not replaced.
         *
         *     Requires the scope `submit`.
         */
        post: operations["beginUpload"];
        /**
         * abort a multipart upload
         * @description Requires the scope `submit`.
         */
        delete: operations["abortUpload"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads/completions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * complete an upload from its parts
         * @description Requires the scope `submit`.
         */
        post: operations["completeUpload"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/uploads/parts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * get URLs for parts of an upload
         * @description Requires the scope `submit`.
         */
        post: operations["uploadParts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/verbs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * call a verb for its answer as a value
         * @description JSON Lines of frames: what the verb reports, the rows of a list or the answer, and last how it ended. When the connection is closed, the verb is told to stop, as by Ctrl-C. Needs the verb's scope.
         */
        post: operations["callVerb"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List workers: what each runs, what it has done, when it was last seen
         * @description Lists workers by their heartbeats, and the instances of their groups. "gone?" means that a worker missed four heartbeats without saying that it was leaving, or that its instance is gone. An instance without a worker is booting, or its boot failed; workers logs accepts its id too.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl workers`.
         */
        get: operations["workers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workers/{worker}/drains": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Tell a worker to finish its tasks and exit
         * @description The worker takes no more tasks, finishes those it runs, and leaves its group. It reads the order at its next heartbeat.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl workers drain w-3k5m7p2q4r`.
         */
        post: operations["workersDrain"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workers/{worker}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Print a worker's log and boot log
         * @description Prints a worker's log and boot log, also after it has exited. For an instance without a worker, prints the boot output. For the output of tasks, use batchctl logs.
         *
         *     Requires the scope `read`.
         *
         *     On the command line: `batchctl workers logs w-3k5m7p2q4r`.
         */
        get: operations["workersLogs"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workers/{worker}/stops": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Tell a worker to return its tasks and exit now
         * @description The worker returns its tasks to the queue, which does not count as a failure, and leaves its group. It reads the order at its next heartbeat.
         *
         *     Requires the scope `operate`.
         *
         *     On the command line: `batchctl workers stop w-3k5m7p2q4r`.
         */
        post: operations["workersStop"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** whether the manager responds; no token required */
        get: operations["health"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * metrics of the stack and of the manager, for Prometheus
         * @description Requires the scope `read`.
         */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** whether the manager can accept callers; no token required */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export interface components {
    schemas: {
        Adjust: {
            job: string;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            changed: boolean;
            /** @description what was, or would be, changed */
            changes: {
                field: string;
                from: unknown;
                to: unknown;
            }[];
        };
        Cancel: {
            job: string;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            changed: boolean;
        };
        CompletionAsked: {
            key: string;
            upload: string;
            size: number;
            ifAbsent?: boolean;
            parts: {
                number: number;
                etag: string;
                sha256: string;
            }[];
        };
        Doctor: {
            /** @description stable identifier of the check */
            check: string;
            /** @enum {string} */
            status: "pass" | "warn" | "fail";
            /** @description what was found */
            message: string;
            /** @description the command or step that fixes it; null for a pass */
            mend: string | null;
        };
        Error: {
            error: {
                /**
                 * @description a stable identifier; more may be added
                 * @enum {unknown}
                 */
                kind: "usage" | "notFound" | "jobFailed" | "notFinished" | "refused" | "late" | "finding" | "changed" | "proof" | "config" | "jobFile" | "unexpected" | "corrupt" | "credentials" | "unavailable" | "newer" | "interrupted" | "full";
                /** @description what was expected, and what was found */
                message: string;
                /** @description how to fix it */
                hint: string | null;
                /** @description what to ask before the same call is made with `yes` */
                question?: string;
            };
        };
        Failures: {
            job: string;
            /** @description id of the cause, the same in every job */
            cause: string;
            step: string;
            exitCode: number | null;
            reason: string;
            /** @description the last line of stderr, without numbers, ids, paths and times */
            error: string | null;
            /** @description tasks that failed for this cause, without skipped ones */
            count: number;
            /** @description the tasks: 0-4,17 */
            tasks: string;
            skippedCount: number;
            /** @description tasks that failed for this cause and were skipped by a person */
            skipped: string;
            /**
             * Format: date-time
             * @description when the first of them failed
             */
            first: string | null;
            /** Format: date-time */
            last: string | null;
            /** @description number of workers, counted up to 1,000 */
            workers: number;
            /** @description tasks that used up their attempts on at least two workers, among the job's first 1,000 failures */
            badInput: number;
            example: {
                task: number;
                worker: string | null;
                /** @description null if nothing ran */
                attempt: string | null;
                /** @description the last line of stderr, unchanged */
                error: string | null;
                /** @description key of the log; null if nothing was written */
                log: string | null;
                /** @description the last lines of the log, up to ten */
                tail: string[];
            };
        };
        Fetch: {
            job: string;
            step: string;
            /** @description outputs now at the target */
            outputs: number;
            /** @description tasks of the step without an output (so far) */
            missing: number;
            bytes: number;
            /** @description the target, as given */
            output: string;
            /** @description outputs whose files already existed with the right checksum */
            kept: number;
        };
        History: {
            /** @description counts from 0; null for the acceptance */
            number: number | null;
            /** Format: date-time */
            when: string;
            who: string;
            /** @description accepted, sent, retry, close, ...; missing if the entry is lost */
            what: string;
            /** @description the same as text */
            text: string;
            /** @description id of the entry */
            id?: string;
            /** @description like the fields below, present only if the entry has it */
            format?: number;
            /** @description by step: 0-4,17 */
            tasks?: {
                [key: string]: string;
            };
            /** @description by step: 0-4,17 */
            canaries?: {
                [key: string]: string;
            } | null;
            /** @description by step: 0-4,17 */
            failed?: {
                [key: string]: string;
            };
            /** @description by step: 0-4,17 */
            asked?: {
                [key: string]: string;
            };
            opened?: string[];
            round?: number;
            /** @description for a prune: the checksums of the remaining objects */
            remains?: {
                [key: string]: string;
            };
            /** @description what a retry changed */
            overrides?: Record<string, never>;
            reason?: string | null;
            state?: string;
            mode?: string;
            now?: boolean;
            cause?: string;
            after?: number;
            unstop?: boolean;
            to?: string;
            outputs?: number;
            bytes?: number;
            kind?: string;
            message?: string;
            hint?: string | null;
            tolerate?: string;
            maxRunning?: number | null;
            /** Format: date-time */
            notBefore?: string;
            finishBy?: string | null;
            maxCost?: number | null;
        };
        Jobs: {
            job: string;
            name: string;
            runKey: string | null;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            reason: string | null;
            round: number;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            closedAt: string | null;
            createdBy: string;
            labels: {
                [key: string]: string;
            };
            /** @description in all steps */
            tasks: number;
            /** @description its outputs, parts and logs were removed */
            pruned: boolean;
            /** @description it ran on a sample of its parts */
            rehearsal: boolean;
            /** @description as in status; left out of all but the newest closed jobs */
            journalHole?: {
                /** @description the number of the first missing entry */
                missing: number;
                /** @description the number of the last entry that is there */
                last: number;
            } | null;
        };
        LedgerRebuild: {
            /** @description jobs written to the ledger */
            jobs: number;
            /** @description attempts written to the ledger, known before or not */
            attempts: number;
            /** @description jobs whose counts are known to match the store */
            exact: number;
            unreadable: {
                job: string;
                why: string;
            }[];
            /** @description failures that can't be read in full; the readable part was written */
            damaged: {
                job: string;
                why: string;
            }[];
            /** @description true: nothing was written */
            dryRun: boolean;
        };
        Logs: {
            step: string;
            task: number;
            attempt: string;
            /** @description what the attempt wrote to stderr */
            text: string;
        };
        Ls: {
            /** @description jobs read it as store:KEY */
            key: string;
            size: number;
            /** Format: date-time */
            modified: string;
            /** @description sha256:<hex>; null without --checksums */
            checksum: string | null;
        };
        ManagerHealth: {
            /**
             * @description failing: the store does not respond, or a duty fails, takes 5 minutes, or has problems
             * @enum {unknown}
             */
            status: "ok" | "failing";
            /** @description why no caller can be accepted; null: the store responds */
            store: string | null;
            /**
             * Format: date-time
             * @description of its certificate; null: plain HTTP
             */
            certificateExpires: string | null;
            duties: {
                duty: string;
                /**
                 * Format: date-time
                 * @description when it last succeeded; null: not yet
                 */
                done: string | null;
                /**
                 * Format: date-time
                 * @description start of the current run; null: not running
                 */
                running: string | null;
                failing: null | {
                    /** Format: date-time */
                    since: string;
                    message: string;
                };
                /** @description what its last run could not do, while the rest was done */
                troubles: string[];
            }[];
        };
        Me: {
            /** @description name of the token */
            name: string;
            /**
             * @description what the token allows
             * @enum {unknown}
             */
            scope: "read" | "submit" | "operate";
            /** @description version of the manager */
            version: string;
            /** @description from its configuration */
            profile: string;
            /** @description location of its store */
            location: string;
        };
        ObjectPage: {
            items: {
                key: string;
                size: number;
                /** @description without quotes */
                etag: string;
                /** Format: date-time */
                modified: string;
            }[];
            /** @description the `after` of the next page; null on the last page */
            next: string | null;
        };
        Overview: {
            /**
             * Format: date-time
             * @description the manager's clock at the update that found a change
             */
            now: string;
            /** @description the manager or tick that was active in the last 15 minutes */
            keeper: string | null;
            /** @description open jobs, and those closed within a day; the newest 200 */
            jobs: components["schemas"]["Status"][];
            /** @description there are more of them */
            more: boolean;
            workers: components["schemas"]["Workers"][];
            groups: components["schemas"]["Scale"][];
            queues: components["schemas"]["Queue"][];
            /** @description the next ten of all schedules */
            firings: components["schemas"]["ScheduleNext"][];
            /** @description what could not be read: those fields are unchanged, or empty */
            troubles: components["schemas"]["Error"]["error"][];
        };
        PartUrls: {
            items: {
                number: number;
                /** @description relative to this document if it has no host */
                url: string;
                headers: {
                    [key: string]: string;
                };
            }[];
        };
        PartsAsked: {
            key: string;
            upload: string;
            parts: {
                number: number;
                size: number;
                sha256: string;
            }[];
        };
        Pause: {
            job: string;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            changed: boolean;
        };
        Plan: {
            name: string;
            runKey: string | null;
            /** @description the job that already has the run key; nothing would be submitted */
            existing: {
                job: string;
                sameContent: boolean;
            } | null;
            inputs: {
                name: string;
                size: number;
                records: number | null;
                compression: string | null;
            }[];
            /** @description names of inputs without any parts: empty, or with a header only */
            emptyInputs: string[];
            /** @description of all inputs */
            bytes: number;
            parts: number;
            records: number | null;
            steps: {
                name: string;
                group: string;
                /** @description null after an explode: one for each file that the step before makes */
                tasks: number | null;
                gather: boolean;
                /** @description how a gather that reads joined outputs gets them; null for other steps */
                join: ("lines" | "bytes") | null;
            }[];
            /** @description in all steps, except those after an explode */
            tasks: number;
            /** @description on queues, if every task runs once */
            messages: number;
            /** @description approximate number, without failures */
            requests: {
                store: number;
                queue: number;
            };
            /** @description shipped to the workers */
            files: string[];
            /** @description from earlier runs of the job; null if there are none */
            forecast: {
                /** @description tasks at a time */
                slots: number;
                /** @description from submission to the end */
                seconds: {
                    low: number;
                    expected: number;
                    high: number;
                };
                /** @description the same with twice as many slots */
                doubled: {
                    slots: number;
                    seconds: {
                        low: number;
                        expected: number;
                        high: number;
                    };
                };
                /** @description in all steps */
                tasks: {
                    low: number;
                    expected: number;
                    high: number;
                };
                /** @description read by all tasks */
                bytesIn: {
                    low: number;
                    expected: number;
                    high: number;
                };
                /** @description written by all tasks */
                bytesOut: {
                    low: number;
                    expected: number;
                    high: number;
                };
                /** @description bytes that remain in the store */
                disk: {
                    low: number;
                    expected: number;
                    high: number;
                };
                /** @description null if not measured */
                cpuSeconds: {
                    low: number;
                    expected: number;
                    high: number;
                } | null;
                /** @description of the largest task */
                peakMemory: {
                    low: number;
                    expected: number;
                    high: number;
                } | null;
                /** @description estimate in US dollars; null if no price is known, as on this machine */
                cost: number | null;
                /** @description jobs that the forecast is based on */
                runs: number;
                /** @description set if the machine's load, without its own workers, exceeded its processors; the ranges are wider then */
                load: {
                    average: number;
                    cores: number;
                } | null;
                steps: {
                    name: string;
                    /** @description how many */
                    tasks: {
                        low: number;
                        expected: number;
                        high: number;
                    };
                    /** @description average of one task */
                    taskSeconds: {
                        low: number;
                        expected: number;
                        high: number;
                    };
                    /** @description written */
                    bytesOut: {
                        low: number;
                        expected: number;
                        high: number;
                    };
                }[];
                /** @description steps without earlier runs */
                unseen: string[];
            } | null;
            /**
             * Format: date-time
             * @description the start time that the job would have
             */
            notBefore: string | null;
            /**
             * Format: date-time
             * @description the deadline that the job would have
             */
            finishBy: string | null;
            /** @description USD */
            maxCost: number | null;
            /** @description forecast end, if it were submitted now and started at once, or at --at; null without a forecast */
            projected: {
                /** Format: date-time */
                low: string;
                /** Format: date-time */
                expected: string;
                /** Format: date-time */
                high: string;
            } | null;
        };
        Prune: {
            jobs: {
                job: string;
                /** @enum {string} */
                state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
                /** Format: date-time */
                closedAt: string | null;
                /** @description a proof of it is stored */
                proof: boolean;
                objects: number;
                bytes: number;
            }[];
            spared: {
                job: string;
                /** @enum {string} */
                why: "open" | "recent" | "undelivered" | "read" | "unreadable";
                /** @description its state, when it closed, which job reads it, or what is wrong */
                detail: string | null;
            }[];
            leftovers: {
                /** @description uncommitted submissions */
                submissions: {
                    objects: number;
                    bytes: number;
                };
                /** @description code that no job uses */
                code: {
                    objects: number;
                    bytes: number;
                };
                /** @description logs, orders and scratch files of old workers */
                workers: {
                    objects: number;
                    bytes: number;
                };
                /** @description old records of managers and ticks */
                keepers: {
                    objects: number;
                    bytes: number;
                };
                /** @description old records of notifications */
                notices: {
                    objects: number;
                    bytes: number;
                };
                /** @description marks of retries that never started */
                marks: {
                    objects: number;
                    bytes: number;
                };
                /** @description expired tokens */
                tokens: {
                    objects: number;
                    bytes: number;
                };
            };
            objects: number;
            bytes: number;
            /** @description true: nothing was removed */
            dryRun: boolean;
        };
        Put: {
            /** @description false only with ifAbsent: the key has another object */
            created: boolean;
            /** @description without quotes */
            etag: string;
        };
        Queue: {
            group: string;
            /** @description messages available to workers now, approximate */
            visible: number;
            /** @description leased by workers */
            leased: number;
            /** @description not yet due */
            delayed: number;
            /** @description dead letters */
            dead: number;
            /** @description age of the oldest waiting message, seconds */
            oldest: number | null;
        };
        QueuePurge: {
            group: string;
            job: string | null;
            /** @description deleted messages; null if unknown */
            purged: number | null;
            /** @description true: nothing was deleted */
            dryRun: boolean;
        };
        QueueRedrive: {
            group: string;
            /** @description dead letters sent back to the queue */
            sent: number;
            /** @description tasks that had failed for good and were retried */
            retried: {
                job: string;
                round: number | null;
                tasks: string[];
            }[];
            /** @description tasks that failed for good and can't be retried; their dead letters stay */
            left: {
                job: string;
                tasks: string[];
                why: string;
            }[];
            /** @description true: they would be sent back */
            dryRun: boolean;
        };
        Report: {
            /** @constant */
            format: 1;
            job: string;
            name: string;
            runKey: string | null;
            period: string | null;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            reason: string | null;
            round: number;
            labels: {
                [key: string]: string;
            };
            params: {
                [key: string]: string;
            };
            rehearsal?: {
                parts: number;
                of: number;
            };
            createdBy: string;
            host: string;
            version: string;
            digest: string;
            code: string | null;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            startedAt: string | null;
            /** Format: date-time */
            endedAt: string | null;
            /** Format: date-time */
            closedAt: string | null;
            seconds: number;
            exact: boolean;
            proof: {
                key: string;
                /** Format: date-time */
                when: string;
                deep: boolean;
            } | null;
            inputs: {
                count: number;
                bytes: number;
                records: number | null;
            };
            parts: number;
            steps: {
                name: string;
                group: string;
                gather: boolean;
                tasks: number;
                done: number;
                failed: number;
                skipped: number;
                retried: number;
                interrupted: number;
                duration: {
                    count: number;
                    min: number;
                    mean: number;
                    p50: number;
                    p95: number;
                    p99: number;
                    max: number;
                    sum: number;
                    bins: {
                        from: number;
                        to: number;
                        count: number;
                    }[];
                } | null;
                wait: {
                    count: number;
                    min: number;
                    mean: number;
                    p50: number;
                    p95: number;
                    p99: number;
                    max: number;
                    sum: number;
                    bins: {
                        from: number;
                        to: number;
                        count: number;
                    }[];
                } | null;
                bytesIn: number;
                bytesOut: number;
                cpuSeconds: number | null;
                peakMemory: number | null;
                counters: {
                    [key: string]: string;
                };
                cost: number | null;
            }[];
            totals: {
                tasks: number;
                done: number;
                failed: number;
                skipped: number;
                attempts: number;
                retried: number;
                interrupted: number;
                bytesIn: number;
                bytesOut: number;
                cpuSeconds: number | null;
                usefulSeconds: number;
                lostSeconds: number;
                slots: number;
                slotSeconds: number;
                utilisation: number | null;
                rate: number | null;
            };
            throughput: {
                /** Format: date-time */
                from: string | null;
                seconds: number;
                bins: {
                    done: number;
                    retried: number;
                    failed: number;
                    interrupted: number;
                    running: number;
                    slots: number;
                }[];
            };
            timeline: {
                /** Format: date-time */
                from: string | null;
                seconds: number;
                hidden: number;
                rows: {
                    label: string;
                    worker: string | null;
                    slots: number;
                    busy: number;
                    bars: {
                        start: number;
                        end: number;
                        task: string;
                        /** @enum {string} */
                        outcome: "done" | "failedAttempt" | "failed" | "interrupted" | "running";
                    }[];
                    shares: number[] | null;
                }[];
            };
            workers: {
                worker: string;
                host: string | null;
                slots: number;
                /** Format: date-time */
                from: string;
                /** Format: date-time */
                to: string;
                done: number;
                failedAttempts: number;
                interrupted: number;
                busySeconds: number;
            }[];
            causes: {
                cause: string;
                step: string;
                reason: string;
                exitCode: number | null;
                error: string;
                attempts: number;
                forGood: number;
                badInput: number;
                /** Format: date-time */
                firstAt: string;
                /** Format: date-time */
                lastAt: string;
                example: {
                    task: string;
                    error: string | null;
                    log: string;
                };
            }[];
            slowest: {
                task: string;
                seconds: number;
                times: number;
                attempts: number;
                worker: string;
                bytesIn: number | null;
                peakMemory: number | null;
                log: string;
            }[];
            expectations: {
                equation: string;
                ok: boolean | null;
                left: string | null;
                right: string | null;
            }[];
            decisions: {
                /** Format: date-time */
                when: string;
                who: string;
                what: string;
                text: string;
            }[];
            late: string[];
            cost: {
                usd: number;
                basis: string;
            } | null;
            compared: {
                job: string;
                name: string;
                /** Format: date-time */
                createdAt: string;
                perTask: boolean;
                regress: number | null;
                figures: {
                    code: string;
                    name: string;
                    step: string | null;
                    /** @enum {string} */
                    unit: "seconds" | "bytes" | "count" | "perSecond" | "share" | "usd" | "number";
                    perTask: boolean;
                    before: number | null;
                    now: number | null;
                    change: number | null;
                    better: ("less" | "more") | null;
                    matters: boolean;
                    regressed: boolean;
                }[];
                regressions: string[];
            } | null;
        };
        ReportAttempts: null;
        Resume: {
            job: string;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            changed: boolean;
            /** @description what was, or would be, changed */
            changes: {
                field: string;
                from: unknown;
                to: unknown;
            }[];
            /** @description messages */
            sent: number;
        };
        Retry: {
            job: string;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            /** @description null if nothing was retried */
            round: number | null;
            /** @description by step: 0-4,17 */
            tasks: {
                [key: string]: string;
            };
            /** @description by step: 0-4,17 */
            canaries: {
                [key: string]: string;
            } | null;
            /** @description failed tasks not retried, as a gather has opened without them */
            leftOut: {
                [key: string]: string;
            };
            count: number;
            /** @description what was, or would be, changed */
            changes: {
                field: string;
                from: unknown;
                to: unknown;
            }[];
            /** @description messages */
            sent: number;
        };
        Rm: {
            key: string;
            size: number;
            /** @description true: it would be removed */
            dryRun: boolean;
        };
        Run: {
            job: string;
            name: string;
            runKey: string | null;
            round: number;
            /** @description tasks that this round asks for again; counted as failed until they run; 0 in round 0 */
            asked: number;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            /** @description a stable code (failures, stopped, expect, halt, deployment, secret, denied, budget), or why a person paused it */
            reason: string | null;
            /** @description what the guard found that paused the job, in words */
            detail: string | null;
            /** @description true: the counts are known to equal what the store says */
            exact: boolean;
            steps: {
                name: string;
                group: string;
                /** @description null after an explode that has not opened yet */
                total: number | null;
                waiting: number;
                running: number;
                done: number;
                /** @description permanently */
                failed: number;
                skipped: number;
                /** @description failed attempts that were retried */
                retried: number;
                /** @description attempts returned without counting as failed */
                interrupted: number;
            }[];
            /** @description tasks a second; null while unknown, and without a worker */
            rate: number | null;
            /** @description seconds until the end at that rate; null while unknown */
            eta: number | null;
            /**
             * Format: date-time
             * @description the deadline
             */
            finishBy: string | null;
            /**
             * Format: date-time
             * @description the expected end: with a deadline by the model that sizes groups, otherwise at the current rate
             */
            projected: string | null;
            /**
             * Format: date-time
             * @description for a job with a deadline: it ends between these two in 19 of 20 cases; null while part of it is assumed
             */
            projectedEarliest: string | null;
            /** Format: date-time */
            projectedLatest: string | null;
            /** @description US dollars so far; null where a price is not known, or nothing costs anything */
            cost: number | null;
            /** @description US dollars by its end; null once it is closed, and while unknown */
            costProjected: number | null;
            /** @description US dollars at which it pauses: its own limit, otherwise the profile's */
            maxCost: number | null;
            /** @description instance types without a known price */
            costUnknown: string[];
            /** @description by step: counters, as exact decimal text */
            counters: {
                [key: string]: {
                    [key: string]: string;
                };
            };
            workers: {
                running: number;
                slots: number;
            };
            /** @description the manager or tick that was active in the last 15 minutes */
            keeper: string | null;
            /**
             * Format: date-time
             * @description no task starts before it
             */
            notBefore: string | null;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            closedAt: string | null;
            /**
             * Format: date-time
             * @description when its outputs, parts and logs were removed
             */
            prunedAt: string | null;
            /** @description null for a whole journal */
            journalHole: {
                /** @description the number of the first missing entry */
                missing: number;
                /** @description the number of the last entry that is there */
                last: number;
            } | null;
            /** @description null for a job that delivers nothing */
            delivery: {
                to: string;
                /** @description the machine of the directory; null for a bucket */
                host: string | null;
                /**
                 * @description none: the job did not succeed; failing: tried again after a while; givenUp: only watch, wait and run try again
                 * @enum {string}
                 */
                state: "waiting" | "none" | "due" | "failing" | "givenUp" | "delivered";
                delivered: {
                    to: string;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    outputs: number;
                    bytes: number;
                } | null;
                /** @description the last failed try */
                failed: {
                    tries: number;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    kind: string;
                    message: string;
                    hint: string | null;
                } | null;
            } | null;
            /** @description receivers that could not be notified of its end or pause (docs/notify.md); empty while it runs */
            untold: {
                /** @description id of the event */
                event: string;
                /** @description the host alone, for a URL */
                to: string;
                tries: number;
                /** @description why the last try failed; null while one goes on, and if the one who tried died */
                message: string | null;
                /**
                 * Format: date-time
                 * @description when it is retried; null: never
                 */
                next: string | null;
            }[];
            /** @description for a rehearsal: the parts that it runs on, and those of the whole input; null for a real job */
            rehearsal: {
                parts: number;
                of: number;
            } | null;
            /** @description only for run: false for a job that already existed */
            created?: boolean;
            /** @description only for run: where the outputs are */
            output?: string | null;
        };
        Scale: {
            group: string;
            desired: number;
            min: number;
            max: number;
            /** @enum {string} */
            mode: "auto" | "manual";
            /** @description workers that are up, by their heartbeats */
            running: number;
            /**
             * Format: date-time
             * @description when a temporary size ends
             */
            until: string | null;
            /** @description null where the group has no machines */
            inService: number | null;
            /** @description null where the group has no machines */
            pending: number | null;
            /** @description null where the group has no machines */
            terminating: number | null;
            /** @description null where the group has no machines */
            protected: number | null;
            /** @description messages that wait; null when a size was set */
            visible: number | null;
            leased: number | null;
            delayed: number | null;
            /** @description seconds until they are done by the workers that are up */
            drain: number | null;
            /** @description so many boots failed in a row that none is started by itself; scale lifts it */
            held: {
                /** @description boots in a row */
                failed: number;
                /** @description the last: workers logs takes it */
                instance: string;
                /** Format: date-time */
                at: string;
                /** @description the last that it wrote */
                line: string | null;
            } | null;
            /** @description why the last launches failed, newest first, each reason once */
            troubles: {
                /** @enum {string} */
                code: "capacity" | "quota" | "price" | "key" | "image" | "permission" | "network" | "setup" | "other";
                /** @description in the words of the service */
                message: string;
                /** Format: date-time */
                at: string;
            }[];
        };
        ScheduleAdd: {
            schedule: string;
            /** @description false: an identical schedule exists */
            changed: boolean;
            next: {
                period: string;
                /** Format: date-time */
                at: string;
            } | null;
        };
        ScheduleLs: {
            schedule: string;
            /** @enum {string} */
            state: "active" | "paused";
            /** @enum {string} */
            kind: "cron" | "calendar";
            /** @description the pattern, or the business day and its time */
            when: string;
            zone: string;
            /** @description dates */
            holidays: string[];
            /** @description seconds */
            catchUp: number;
            /** @description the job's */
            name: string;
            /** @description path of the job file */
            file: string;
            /** @description {period} is not replaced */
            inputs: string[];
            /** @description SHA-256 of its files */
            code: string | null;
            /** @description who created or last changed it */
            who: string;
            /** Format: date-time */
            changedAt: string;
            next: {
                period: string;
                /** Format: date-time */
                at: string;
            } | null;
            last: {
                period: string;
                /**
                 * Format: date-time
                 * @description due time
                 */
                at: string;
                /**
                 * @description the state of its job; due, missed or paused if it has no job
                 * @enum {string}
                 */
                state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled" | "due" | "missed";
                job: string | null;
            } | null;
        };
        ScheduleNext: {
            schedule: string;
            period: string;
            /** Format: date-time */
            at: string;
            zone: string;
            /** @description already run by hand, so it does not run again */
            job: string | null;
        };
        SchedulePause: {
            schedule: string;
            /** @enum {string} */
            state: "active" | "paused";
            /** @description false: it was already so */
            changed: boolean;
        };
        ScheduleResume: {
            schedule: string;
            /** @enum {string} */
            state: "active" | "paused";
            /** @description false: it was already so */
            changed: boolean;
        };
        ScheduleRm: {
            schedule: string;
            /** @description false with --dry-run */
            removed: boolean;
        };
        ScheduleRun: {
            /** @description null with --dry-run, for a period that has not run */
            job: string | null;
            runKey: string;
            created: boolean;
        };
        ScheduleShow: {
            schedule: string;
            /** @enum {string} */
            state: "active" | "paused";
            /** @enum {string} */
            kind: "cron" | "calendar";
            /** @description the pattern, or the business day and its time */
            when: string;
            zone: string;
            /** @description dates */
            holidays: string[];
            /** @description seconds */
            catchUp: number;
            /** @description the job's */
            name: string;
            /** @description path of the job file */
            file: string;
            /** @description {period} is not replaced */
            inputs: string[];
            /** @description SHA-256 of its files */
            code: string | null;
            /** @description who created or last changed it */
            who: string;
            /** Format: date-time */
            changedAt: string;
            next: {
                period: string;
                /** Format: date-time */
                at: string;
            } | null;
            last: {
                period: string;
                /**
                 * Format: date-time
                 * @description due time
                 */
                at: string;
                /**
                 * @description the state of its job; due, missed or paused if it has no job
                 * @enum {string}
                 */
                state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled" | "due" | "missed";
                job: string | null;
            } | null;
            /** @description latest first */
            recent: {
                period: string;
                /**
                 * Format: date-time
                 * @description due time
                 */
                at: string;
                /**
                 * @description the state of its job; due, missed or paused if it has no job
                 * @enum {string}
                 */
                state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled" | "due" | "missed";
                job: string | null;
            }[];
        };
        Skip: {
            job: string;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            changed: boolean;
            undo: boolean;
            /** @description by step: 0-4,17 */
            tasks: {
                [key: string]: string;
            };
            count: number;
            /** @description tasks that were already so */
            already: number;
            reason: string | null;
            /** @description messages */
            sent: number;
        };
        Status: {
            job: string;
            name: string;
            runKey: string | null;
            round: number;
            /** @description tasks that this round asks for again; counted as failed until they run; 0 in round 0 */
            asked: number;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            /** @description a stable code (failures, stopped, expect, halt, deployment, secret, denied, budget), or why a person paused it */
            reason: string | null;
            /** @description what the guard found that paused the job, in words */
            detail: string | null;
            /** @description true: the counts are known to equal what the store says */
            exact: boolean;
            steps: {
                name: string;
                group: string;
                /** @description null after an explode that has not opened yet */
                total: number | null;
                waiting: number;
                running: number;
                done: number;
                /** @description permanently */
                failed: number;
                skipped: number;
                /** @description failed attempts that were retried */
                retried: number;
                /** @description attempts returned without counting as failed */
                interrupted: number;
            }[];
            /** @description tasks a second; null while unknown, and without a worker */
            rate: number | null;
            /** @description seconds until the end at that rate; null while unknown */
            eta: number | null;
            /**
             * Format: date-time
             * @description the deadline
             */
            finishBy: string | null;
            /**
             * Format: date-time
             * @description the expected end: with a deadline by the model that sizes groups, otherwise at the current rate
             */
            projected: string | null;
            /**
             * Format: date-time
             * @description for a job with a deadline: it ends between these two in 19 of 20 cases; null while part of it is assumed
             */
            projectedEarliest: string | null;
            /** Format: date-time */
            projectedLatest: string | null;
            /** @description US dollars so far; null where a price is not known, or nothing costs anything */
            cost: number | null;
            /** @description US dollars by its end; null once it is closed, and while unknown */
            costProjected: number | null;
            /** @description US dollars at which it pauses: its own limit, otherwise the profile's */
            maxCost: number | null;
            /** @description instance types without a known price */
            costUnknown: string[];
            /** @description by step: counters, as exact decimal text */
            counters: {
                [key: string]: {
                    [key: string]: string;
                };
            };
            workers: {
                running: number;
                slots: number;
            };
            /** @description the manager or tick that was active in the last 15 minutes */
            keeper: string | null;
            /**
             * Format: date-time
             * @description no task starts before it
             */
            notBefore: string | null;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            closedAt: string | null;
            /**
             * Format: date-time
             * @description when its outputs, parts and logs were removed
             */
            prunedAt: string | null;
            /** @description null for a whole journal */
            journalHole: {
                /** @description the number of the first missing entry */
                missing: number;
                /** @description the number of the last entry that is there */
                last: number;
            } | null;
            /** @description null for a job that delivers nothing */
            delivery: {
                to: string;
                /** @description the machine of the directory; null for a bucket */
                host: string | null;
                /**
                 * @description none: the job did not succeed; failing: tried again after a while; givenUp: only watch, wait and run try again
                 * @enum {string}
                 */
                state: "waiting" | "none" | "due" | "failing" | "givenUp" | "delivered";
                delivered: {
                    to: string;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    outputs: number;
                    bytes: number;
                } | null;
                /** @description the last failed try */
                failed: {
                    tries: number;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    kind: string;
                    message: string;
                    hint: string | null;
                } | null;
            } | null;
            /** @description receivers that could not be notified of its end or pause (docs/notify.md); empty while it runs */
            untold: {
                /** @description id of the event */
                event: string;
                /** @description the host alone, for a URL */
                to: string;
                tries: number;
                /** @description why the last try failed; null while one goes on, and if the one who tried died */
                message: string | null;
                /**
                 * Format: date-time
                 * @description when it is retried; null: never
                 */
                next: string | null;
            }[];
            /** @description for a rehearsal: the parts that it runs on, and those of the whole input; null for a real job */
            rehearsal: {
                parts: number;
                of: number;
            } | null;
            /** @description only for run: false for a job that already existed */
            created?: boolean;
            /** @description only for run: where the outputs are */
            output?: string | null;
        };
        Submit: {
            job: string;
            runKey: string | null;
            created: boolean;
            /** @description names of inputs without any parts: empty, or with a header only */
            emptyInputs: string[];
        };
        Tasks: {
            step: string;
            task: number;
            /** @description waiting, running, done, failed, skipped; for an attempt, its outcome */
            state: string;
            round: number;
            /** @description number of recorded attempts; only for a task */
            attempts?: number;
            /** @description id of the attempt; only with --task, like the fields below */
            attempt?: string;
            number?: number;
            cpuSeconds?: number | null;
            /** @description bytes */
            peakMemory?: number | null;
            worker: string | null;
            /** Format: date-time */
            startedAt: string | null;
            /** Format: date-time */
            endedAt: string | null;
            exitCode: number | null;
            reason: string | null;
            /** @description the last line of stderr */
            error: string | null;
            /** @description the id used by failures; null for a success */
            cause: string | null;
            /** @description the task used up its attempts on at least two workers; only for an attempt that failed for good */
            badInput?: boolean;
        };
        TasksKill: {
            job: string;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            task: string;
            /** @enum {string} */
            mode: "requeue" | "fail";
        };
        Tick: {
            /** @description the id under which it is recorded as active */
            keeper: string;
            /** @description with --dry-run: what would be fired, without a job */
            fired: {
                schedule: string;
                period: string;
                /** Format: date-time */
                at: string;
                job: string | null;
            }[];
            /** @description waiting for their input, because of --await-input */
            waiting: {
                schedule: string;
                period: string;
                /** Format: date-time */
                at: string;
                why: string;
            }[];
            /** @description whose catch-up time ended since the last round */
            missed: {
                schedule: string;
                period: string;
                /** Format: date-time */
                at: string;
            }[];
            /** @description what was due for open jobs */
            moved: {
                job: string;
                /** @enum {string} */
                move: "open" | "retry-rest" | "close";
            }[];
            /** @description groups */
            raised: {
                group: string;
                from: number;
                to: number;
                /** @description number of instances on demand from now on instead of spot; null if unchanged */
                onDemand: number | null;
            }[];
            /** @description groups whose launches hung without work */
            lowered: {
                group: string;
                from: number;
                to: number;
                /** @description number of instances on demand from now on instead of spot; null if unchanged */
                onDemand: number | null;
            }[];
            /** @description results of deliveries, as text */
            delivered: string[];
            /** @description what failed, while everything else was done */
            troubles: {
                about: string;
                /** @description of the error */
                kind: string;
                message: string;
                hint: string | null;
                /** @description false: it was reported within the last hour */
                news: boolean;
            }[];
            dryRun: boolean;
        };
        UploadAsked: {
            key: string;
            size: number;
            sha256: string;
            ifAbsent?: boolean;
        };
        UploadGivenUp: {
            upload: string;
        };
        UploadWay: {
            /** @constant */
            way: "present";
            etag: string;
        } | {
            /** @constant */
            way: "put";
            /** @description relative to this document if it has no host */
            url: string;
            headers: {
                [key: string]: string;
            };
            /** @description true: the URL is here, and requires the token */
            token: boolean;
        } | {
            /** @constant */
            way: "parts";
            /** @description id of the upload */
            upload: string;
            /** @description bytes; the last part may be smaller */
            partSize: number;
        };
        ValueFrame: {
            event: {
                event: string;
            };
        } | {
            notice: string;
        } | {
            warning: string;
        } | {
            row: unknown;
        } | {
            answer: unknown;
        } | {
            /** @constant */
            alive: true;
        } | {
            exit: number;
            error: null | components["schemas"]["Error"]["error"];
        };
        Verify: {
            /** @constant */
            format: 1;
            /** @description null only for a file without a readable proof */
            job: string | null;
            runKey: string | null;
            state: ("submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled") | null;
            round?: number;
            /** @description the last journal entry that was considered; -1 if none */
            entry?: number;
            /** @description of the job as accepted: spec, code and inputs */
            digest?: string;
            /**
             * @description unfinished: the job is not closed
             * @enum {string}
             */
            verdict: "proven" | "failed" | "unfinished";
            /** @description every byte was read */
            deep?: boolean;
            checked: {
                parts: number;
                inputs: number;
                /** @description decompressed */
                bytes: number;
                outputs: number;
            } | null;
            /** @description only for a rehearsal: the parts of its sample, of the whole input; nothing is claimed about the rest */
            rehearsal?: {
                parts: number;
                of: number;
            };
            /** @description null for a job that delivers nothing */
            delivery?: {
                to: string;
                /** @description the machine of the directory; null for a bucket */
                host: string | null;
                /**
                 * @description none: the job did not succeed; failing: tried again after a while; givenUp: only watch, wait and run try again
                 * @enum {string}
                 */
                state: "waiting" | "none" | "due" | "failing" | "givenUp" | "delivered";
                delivered: {
                    to: string;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    outputs: number;
                    bytes: number;
                } | null;
                /** @description the last failed try */
                failed: {
                    tries: number;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    kind: string;
                    message: string;
                    hint: string | null;
                } | null;
            } | null;
            steps: {
                name: string;
                tasks: number;
                published: number;
                /** @description for good, or given up */
                failed: number;
                skipped: number;
                missing: number;
            }[];
            chains?: {
                failed: number;
                tolerated: number;
            };
            /** @description failed for good: step/n, the first thousand */
            failed?: string[];
            /** @description skipped by a person: step/n, the first thousand */
            skipped?: string[];
            skips?: {
                step: string;
                tasks: string;
                who: string;
                when: string;
                reason: string;
            }[];
            /** @description neither published nor failed for good: step/n, the first thousand */
            missing?: string[];
            /** @description published after a gather had opened without them: kept, never used: step/n, the first thousand */
            late?: string[];
            /** @description outputs and pieces that differ from what was published or split */
            altered?: string[];
            expectations?: {
                equation: string;
                ok: boolean;
                left: string | null;
                right: string | null;
            }[];
            /** @description what the proof rests on; null for a job that is not closed */
            evidence?: {
                /** @description digest of job.json without its inputs */
                record: string;
                /** @description digest of the spec with defaults */
                spec: string;
                /** @description SHA-256 of the archive of the job's files */
                code: string | null;
                /** @description digests of images, by step */
                images: {
                    [key: string]: string;
                } | null;
                submitted: {
                    who: string;
                    when: string;
                    host: string;
                    version: string;
                };
                inputs: {
                    count: number;
                    bytes: number;
                    records: number | null;
                    /** @description sha256:<hex> over the digests of shards of 10,000 lines */
                    root: string;
                    /** @description the first hundred */
                    listed: {
                        name: string;
                        size: number;
                        checksum: string | null;
                        /** @description who read the bytes; null: no one */
                        checksumFrom: ("submit" | "verify") | null;
                        /** @description the version that was read */
                        source: {
                            /** @enum {string} */
                            kind: "file" | "store" | "s3" | "pipe";
                            path?: string;
                            pin?: {
                                inode: string;
                                size: number;
                                mtimeNs: string;
                            };
                            bucket?: string;
                            key?: string;
                            etag?: string;
                            version?: string | null;
                        };
                    }[];
                };
                parts: {
                    count: number;
                    /** @description sha256:<hex> over the digests of shards of 10,000 lines */
                    root: string;
                };
                steps: {
                    name: string;
                    /** @description sha256:<hex> over the digests of shards of 10,000 lines */
                    root: string;
                    /** @description tasks that it has the end of */
                    ends: number;
                    /** @description those that count */
                    outputs: number;
                    bytesIn: number;
                    bytesOut: number;
                    /** @description exact decimals */
                    counters: {
                        [key: string]: string;
                    };
                    /** @description by code and round */
                    made: {
                        round: number;
                        code: string | null;
                        outputs: number;
                    }[];
                    /** @description for good, or given up: a set, 0-4,17 */
                    failed: string;
                    /** @description skipped: a set, 0-4,17 */
                    skipped: string;
                }[];
                gathers: {
                    step: string;
                    /** @description outputs or files */
                    took: number;
                    /** @description skipped: a set, 0-4,17 */
                    leftOut: string;
                }[];
                /** @description files that steps after an explode used as tasks */
                files: {
                    step: string;
                    count: number;
                    /** @description sha256:<hex> over the digests of shards of 10,000 lines */
                    root: string;
                }[];
                tolerance: {
                    /** @description a count or a percentage */
                    value: string;
                    who: string;
                    when: string;
                    /** @description the journal entry that set it; null: the job file */
                    entry: number | null;
                };
                /** @description retries */
                rounds: {
                    round: number;
                    entry: number;
                    who: string;
                    when: string;
                    /** @description sets by step */
                    tasks: {
                        [key: string]: string;
                    };
                    /** @description what changed from then on */
                    changed: {
                        /** @description seconds; null: as defined by the steps */
                        timeout?: number | null;
                        params?: {
                            [key: string]: string;
                        };
                        /** @description of the corrected job file */
                        defaults?: {
                            [key: string]: string;
                        };
                        /** @description SHA-256 of the corrected code */
                        code?: string | null;
                        /** @description the fields that the corrected job file changed, by step */
                        steps?: {
                            [key: string]: unknown;
                        };
                    };
                }[];
                decisions: {
                    count: number;
                    /** @description sha256:<hex> over the digests of shards of 10,000 lines */
                    root: string;
                    /** @description the first two hundred */
                    listed: {
                        n: number;
                        what: string;
                        who: string;
                        when: string;
                        /** @description of the entry's bytes */
                        checksum: string;
                    }[];
                };
            } | null;
            /** @description what breaks the proof, as stable codes */
            problems: {
                code: string;
                message: string;
            }[];
            /** @description what does not break it */
            warnings?: {
                code: string;
                message: string;
            }[];
            /** @description key of the proof in the store */
            proof?: string | null;
            /** @description only with --repair */
            repair?: {
                /** @description events written to the ledger */
                recorded: number;
                /** @description messages */
                sent: number;
                /** @description sets of tasks by step */
                missing: {
                    [key: string]: string;
                };
                reopened: boolean;
                withheld: ("paused" | "cancelled" | "stopped") | null;
            } | null;
            /** @description only with --check */
            check?: {
                file: string;
                lines: number;
                /** @description of all lines before the last, as written */
                sha256: string;
                /** @description of the stored proof's bytes */
                checksum: string | null;
                /** @description who made the proof */
                who: string | null;
                when: string | null;
                /** @description the version of batchctl that made it */
                version: string | null;
                /** @description contradictions found */
                mismatches: {
                    code: string;
                    message: string;
                }[];
            } | null;
        };
        VerifyEvidence: null;
        Wait: {
            job: string;
            name: string;
            runKey: string | null;
            round: number;
            /** @description tasks that this round asks for again; counted as failed until they run; 0 in round 0 */
            asked: number;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            /** @description a stable code (failures, stopped, expect, halt, deployment, secret, denied, budget), or why a person paused it */
            reason: string | null;
            /** @description what the guard found that paused the job, in words */
            detail: string | null;
            /** @description true: the counts are known to equal what the store says */
            exact: boolean;
            steps: {
                name: string;
                group: string;
                /** @description null after an explode that has not opened yet */
                total: number | null;
                waiting: number;
                running: number;
                done: number;
                /** @description permanently */
                failed: number;
                skipped: number;
                /** @description failed attempts that were retried */
                retried: number;
                /** @description attempts returned without counting as failed */
                interrupted: number;
            }[];
            /** @description tasks a second; null while unknown, and without a worker */
            rate: number | null;
            /** @description seconds until the end at that rate; null while unknown */
            eta: number | null;
            /**
             * Format: date-time
             * @description the deadline
             */
            finishBy: string | null;
            /**
             * Format: date-time
             * @description the expected end: with a deadline by the model that sizes groups, otherwise at the current rate
             */
            projected: string | null;
            /**
             * Format: date-time
             * @description for a job with a deadline: it ends between these two in 19 of 20 cases; null while part of it is assumed
             */
            projectedEarliest: string | null;
            /** Format: date-time */
            projectedLatest: string | null;
            /** @description US dollars so far; null where a price is not known, or nothing costs anything */
            cost: number | null;
            /** @description US dollars by its end; null once it is closed, and while unknown */
            costProjected: number | null;
            /** @description US dollars at which it pauses: its own limit, otherwise the profile's */
            maxCost: number | null;
            /** @description instance types without a known price */
            costUnknown: string[];
            /** @description by step: counters, as exact decimal text */
            counters: {
                [key: string]: {
                    [key: string]: string;
                };
            };
            workers: {
                running: number;
                slots: number;
            };
            /** @description the manager or tick that was active in the last 15 minutes */
            keeper: string | null;
            /**
             * Format: date-time
             * @description no task starts before it
             */
            notBefore: string | null;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            closedAt: string | null;
            /**
             * Format: date-time
             * @description when its outputs, parts and logs were removed
             */
            prunedAt: string | null;
            /** @description null for a whole journal */
            journalHole: {
                /** @description the number of the first missing entry */
                missing: number;
                /** @description the number of the last entry that is there */
                last: number;
            } | null;
            /** @description null for a job that delivers nothing */
            delivery: {
                to: string;
                /** @description the machine of the directory; null for a bucket */
                host: string | null;
                /**
                 * @description none: the job did not succeed; failing: tried again after a while; givenUp: only watch, wait and run try again
                 * @enum {string}
                 */
                state: "waiting" | "none" | "due" | "failing" | "givenUp" | "delivered";
                delivered: {
                    to: string;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    outputs: number;
                    bytes: number;
                } | null;
                /** @description the last failed try */
                failed: {
                    tries: number;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    kind: string;
                    message: string;
                    hint: string | null;
                } | null;
            } | null;
            /** @description receivers that could not be notified of its end or pause (docs/notify.md); empty while it runs */
            untold: {
                /** @description id of the event */
                event: string;
                /** @description the host alone, for a URL */
                to: string;
                tries: number;
                /** @description why the last try failed; null while one goes on, and if the one who tried died */
                message: string | null;
                /**
                 * Format: date-time
                 * @description when it is retried; null: never
                 */
                next: string | null;
            }[];
            /** @description for a rehearsal: the parts that it runs on, and those of the whole input; null for a real job */
            rehearsal: {
                parts: number;
                of: number;
            } | null;
            /** @description only for run: false for a job that already existed */
            created?: boolean;
            /** @description only for run: where the outputs are */
            output?: string | null;
        };
        Watch: {
            job: string;
            name: string;
            runKey: string | null;
            round: number;
            /** @description tasks that this round asks for again; counted as failed until they run; 0 in round 0 */
            asked: number;
            /** @enum {string} */
            state: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
            /** @description a stable code (failures, stopped, expect, halt, deployment, secret, denied, budget), or why a person paused it */
            reason: string | null;
            /** @description what the guard found that paused the job, in words */
            detail: string | null;
            /** @description true: the counts are known to equal what the store says */
            exact: boolean;
            steps: {
                name: string;
                group: string;
                /** @description null after an explode that has not opened yet */
                total: number | null;
                waiting: number;
                running: number;
                done: number;
                /** @description permanently */
                failed: number;
                skipped: number;
                /** @description failed attempts that were retried */
                retried: number;
                /** @description attempts returned without counting as failed */
                interrupted: number;
            }[];
            /** @description tasks a second; null while unknown, and without a worker */
            rate: number | null;
            /** @description seconds until the end at that rate; null while unknown */
            eta: number | null;
            /**
             * Format: date-time
             * @description the deadline
             */
            finishBy: string | null;
            /**
             * Format: date-time
             * @description the expected end: with a deadline by the model that sizes groups, otherwise at the current rate
             */
            projected: string | null;
            /**
             * Format: date-time
             * @description for a job with a deadline: it ends between these two in 19 of 20 cases; null while part of it is assumed
             */
            projectedEarliest: string | null;
            /** Format: date-time */
            projectedLatest: string | null;
            /** @description US dollars so far; null where a price is not known, or nothing costs anything */
            cost: number | null;
            /** @description US dollars by its end; null once it is closed, and while unknown */
            costProjected: number | null;
            /** @description US dollars at which it pauses: its own limit, otherwise the profile's */
            maxCost: number | null;
            /** @description instance types without a known price */
            costUnknown: string[];
            /** @description by step: counters, as exact decimal text */
            counters: {
                [key: string]: {
                    [key: string]: string;
                };
            };
            workers: {
                running: number;
                slots: number;
            };
            /** @description the manager or tick that was active in the last 15 minutes */
            keeper: string | null;
            /**
             * Format: date-time
             * @description no task starts before it
             */
            notBefore: string | null;
            /** Format: date-time */
            createdAt: string;
            /** Format: date-time */
            closedAt: string | null;
            /**
             * Format: date-time
             * @description when its outputs, parts and logs were removed
             */
            prunedAt: string | null;
            /** @description null for a whole journal */
            journalHole: {
                /** @description the number of the first missing entry */
                missing: number;
                /** @description the number of the last entry that is there */
                last: number;
            } | null;
            /** @description null for a job that delivers nothing */
            delivery: {
                to: string;
                /** @description the machine of the directory; null for a bucket */
                host: string | null;
                /**
                 * @description none: the job did not succeed; failing: tried again after a while; givenUp: only watch, wait and run try again
                 * @enum {string}
                 */
                state: "waiting" | "none" | "due" | "failing" | "givenUp" | "delivered";
                delivered: {
                    to: string;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    outputs: number;
                    bytes: number;
                } | null;
                /** @description the last failed try */
                failed: {
                    tries: number;
                    /** Format: date-time */
                    when: string;
                    who: string;
                    kind: string;
                    message: string;
                    hint: string | null;
                } | null;
            } | null;
            /** @description receivers that could not be notified of its end or pause (docs/notify.md); empty while it runs */
            untold: {
                /** @description id of the event */
                event: string;
                /** @description the host alone, for a URL */
                to: string;
                tries: number;
                /** @description why the last try failed; null while one goes on, and if the one who tried died */
                message: string | null;
                /**
                 * Format: date-time
                 * @description when it is retried; null: never
                 */
                next: string | null;
            }[];
            /** @description for a rehearsal: the parts that it runs on, and those of the whole input; null for a real job */
            rehearsal: {
                parts: number;
                of: number;
            } | null;
            /** @description only for run: false for a job that already existed */
            created?: boolean;
            /** @description only for run: where the outputs are */
            output?: string | null;
        };
        Why: {
            /** @description null if the store or the ledger can't be read */
            job: string | null;
            state: ("submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled") | null;
            /** @description the most important first; none: nothing is wrong */
            causes: {
                /**
                 * @description stable; codes are only ever added
                 * @enum {string}
                 */
                code: "storeUnreachable" | "queueUnreachable" | "ledgerUnreachable" | "groupUnreachable" | "accessDenied" | "credentialsRefused" | "queueGone" | "damaged" | "newerFormat" | "olderWorkers" | "diskFull" | "diskNearlyFull" | "cancelled" | "paused" | "halted" | "badDeployment" | "budget" | "secretRefused" | "stopped" | "submissionUnfinished" | "notDue" | "expectUnmet" | "notDelivered" | "notTold" | "tooManyFiles" | "failing" | "gatherBlocked" | "canaryHeld" | "canaryRunning" | "missingTasks" | "deadLetters" | "groupMissing" | "groupHeld" | "launchFailed" | "setupFailed" | "instancesWithoutWorkers" | "groupManualAtZero" | "noWorker" | "supervisorDead" | "workerStarting" | "workersLeaving" | "workersBusyElsewhere" | "doesNotFit" | "killsWorkers" | "leasesExpiring" | "workerLost" | "interruptionStorm" | "groupAtMax" | "maxRunning" | "backoff" | "straggler" | "slowTasks" | "slowStep" | "ledgerBehind" | "allProtected" | "credentialsEnding";
                /**
                 * @description stops: until someone acts; fails: tasks failed for good; slows; waits: continues on its own; note
                 * @enum {string}
                 */
                severity: "stops" | "fails" | "slows" | "waits" | "note";
                /** @description a sentence with the facts */
                title: string;
                evidence: string[];
                /** @description steps separated by "; ", each a command, then ", " and its purpose; or a sentence */
                mend: string;
            }[];
            /** @description tasks known to the ledger */
            running: number | null;
            /** @description tasks known to the ledger */
            waiting: number | null;
            /** @description tasks per second */
            rate: number | null;
            /** @description seconds */
            eta: number | null;
        };
        Workers: {
            /** @description null: an instance without a worker, of which nothing else is known */
            worker: string | null;
            /** @description multiple groups are separated by commas */
            group: string;
            /** @description on EC2 the id of the instance */
            host: string;
            pid: number | null;
            version: string | null;
            /**
             * @description lost: missed four heartbeats without saying that it was leaving, or its instance is gone; for an instance without a worker: booting, noWorker (overdue), ending
             * @enum {string}
             */
            state: "starting" | "idle" | "busy" | "draining" | "gone" | "lost" | "booting" | "noWorker" | "ending";
            slots: number | null;
            /** @description running tasks: JOB/STEP/N, at most 64 */
            busy: string[];
            done: number;
            /** @description tasks that failed for good here */
            failed: number;
            /** Format: date-time */
            seen: string | null;
            /** Format: date-time */
            since: string | null;
            /** @description null if the group has no instances */
            instance: string | null;
            /** @description null if the group has no instances */
            type: string | null;
            /** @description null if the group has no instances */
            zone: string | null;
            /** @description the lifecycle state of its instance in the group: InService, Terminating:Wait */
            lifecycle: string | null;
            /** @description scaling in does not terminate its instance */
            protected: boolean | null;
        };
        WorkersDrain: {
            worker: string;
            /** @enum {string} */
            order: "drain" | "stop";
            /** @description true: the order would be sent */
            dryRun: boolean;
        };
        WorkersLogs: {
            /** @description an instance's id, where no worker of it is known */
            worker: string;
            /** @description output of its start or crash */
            boot: string | null;
            /** @description its last lines, as of its last heartbeat */
            log: string | null;
        };
        WorkersStop: {
            worker: string;
            /** @enum {string} */
            order: "drain" | "stop";
            /** @description true: the order would be sent */
            dryRun: boolean;
        };
    };
    responses: {
        /** @description The call or the verb was refused: 400 usage, 404 notFound, 409 jobFailed, 409 notFinished, 409 refused, 409 late, 409 finding, 409 changed, 409 proof, 422 config, 422 jobFile. Also: 401 without a valid token, 403 without the required scope, 405, 408, 413, 415, 426 for a command line of another version, 429 with Retry-After. */
        Refused: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "error": {
                 *         "kind": "notFound",
                 *         "message": "there is no job with the id or prefix nope",
                 *         "hint": "batchctl jobs"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["Error"];
            };
        };
        /** @description It could not be done now: 500 unexpected, 500 corrupt, 503 credentials, 503 unavailable, 503 newer, 503 interrupted, 507 full. */
        Failed: {
            headers: {
                [name: string]: unknown;
            };
            content: {
                /**
                 * @example {
                 *       "error": {
                 *         "kind": "unavailable",
                 *         "message": "S3 does not respond",
                 *         "hint": "batchctl doctor"
                 *       }
                 *     }
                 */
                "application/json": components["schemas"]["Error"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export interface operations {
    doctor: {
        parameters: {
            query?: {
                /** @description exit with 11 if a check warns */
                strict?: boolean;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Doctor"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    ls: {
        parameters: {
            query?: {
                /** @description only keys with this prefix (default: all) */
                prefix?: string | number;
                /** @description also show the SHA-256 recorded by upload; takes one request per object */
                checksums?: boolean;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Ls"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    overview: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scheduleNext: {
        parameters: {
            query?: {
                /** @description name of the schedule (default: all) */
                name?: string | number;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["ScheduleNext"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scaleShow: {
        parameters: {
            query?: {
                /** @description the group (default: default; when showing: all groups) */
                group?: string | number;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Scale"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scale: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description number of workers; 0 drains all; without a size, shows the current sizes */
                    n?: string | number;
                    /** @description the group (default: default; when showing: all groups) */
                    group?: string | number;
                    /** @description minimum size */
                    min?: string | number;
                    /** @description maximum size */
                    max?: string | number;
                    /**
                     * @description let waiting work raise the size
                     * @default false
                     */
                    auto?: boolean;
                    /**
                     * @description let only people change the size
                     * @default false
                     */
                    manual?: boolean;
                    /** @description restore the previous size after this time */
                    for?: string | number;
                    /** @description tasks at a time per new worker (local; on AWS use groups.*.slots) */
                    slots?: string | number;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Scale"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    managerHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ManagerHealth"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    jobs: {
        parameters: {
            query?: {
                /** @description only jobs in this state */
                state?: "submitted" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
                /** @description only jobs with this name */
                name?: string | number;
                /** @description only jobs with this label */
                label?: (string | number)[];
                /** @description only jobs accepted within this time: 7d */
                since?: string | number;
                /** @description only jobs that I submitted from here */
                mine?: boolean;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Jobs"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    submit: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description read this instead of the job file's inputs: a file, a pattern, store:KEY, job:JOB/STEP, or - for stdin
                     * @default []
                     */
                    input?: (string | number)[];
                    /**
                     * @description set a parameter
                     * @default []
                     */
                    set?: (string | number)[];
                    /** @description a name that ensures this run happens only once; may contain {period} */
                    runKey?: string | number;
                    /**
                     * @description if the key exists with other content, use its job anyway
                     * @default false
                     */
                    existing?: boolean;
                    /**
                     * @description start another run under the same key
                     * @default false
                     */
                    again?: boolean;
                    /** @description the value of {period}: 2026-11 */
                    period?: string | number;
                    /**
                     * @description label the job
                     * @default []
                     */
                    label?: (string | number)[];
                    /** @description deadline: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z; a late job exits 10 */
                    finishBy?: string | number;
                    /** @description cost limit, if the profile knows prices; not on local */
                    maxCost?: string | number;
                    /** @description fail unless there are exactly this many inputs */
                    expectInputs?: string | number;
                    /** @description wait this long for missing inputs */
                    awaitInput?: string | number;
                    /**
                     * @description accept input without any parts
                     * @default false
                     */
                    allowEmpty?: boolean;
                    /** @description start no task before this time: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z */
                    at?: string | number;
                    /**
                     * @description don't change the size of groups
                     * @default true
                     */
                    scale?: boolean;
                    /**
                     * @description the caller looks after the job itself, so no manager and no tick is needed
                     * @default false
                     */
                    stays?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                    /** @description the job, like a job file in JSON; its inputs are in the store or in a bucket */
                    spec: Record<string, never>;
                    /** @description for a job with files: the SHA-256 of their archive, which was stored as code/<sha256>.tar.gz */
                    code?: string;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Submit"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    status: {
        parameters: {
            query?: {
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Status"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    adjust: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description id, unique prefix, key:RUN-KEY, name:NAME or last */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description new start time of a job that has not started: 18:30, "in 6h", "tomorrow 06:00", or now */
                    at?: string | number;
                    /** @description deadline: 18:30, "in 6h", "tomorrow 06:00", or none */
                    finishBy?: string | number;
                    /** @description cost limit, if the profile knows prices; or none */
                    maxCost?: string | number;
                    /** @description how many chains may fail for good: a count, or a share such as 0.1% */
                    tolerate?: string | number;
                    /** @description approximate number of tasks of the job that run at a time, or none */
                    maxRunning?: string | number;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Adjust"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    cancel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description id, unique prefix, key:RUN-KEY, name:NAME or last */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Cancel"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    jobEvents: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description events */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": string;
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    failures: {
        parameters: {
            query?: {
                /** @description show one cause in detail: its tasks, and the log of one of them */
                cause?: string | number;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Failures"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    history: {
        parameters: {
            query?: {
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["History"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    tasksKill: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description id, unique prefix, key:RUN-KEY, name:NAME or last */
                job: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description <step>/<n> */
                    task: string | number;
                    /**
                     * @description end its attempt and retry the task (the default)
                     * @default false
                     */
                    requeue?: boolean;
                    /**
                     * @description end its attempt and fail the task permanently
                     * @default false
                     */
                    fail?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["TasksKill"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    logs: {
        parameters: {
            query?: {
                /** @description <step>/<n> (default: all tasks) */
                task?: string | number;
                /** @description only tasks that failed for good */
                failed?: boolean;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description id, unique prefix, key:RUN-KEY, name:NAME or last */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Logs"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    pause: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description id, unique prefix, key:RUN-KEY, name:NAME or last */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * @description return running attempts at once instead of letting them finish
                     * @default false
                     */
                    now?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Pause"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    verify: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * @description first re-send missing tasks, and rebuild the ledger from the store
                     * @default false
                     */
                    repair?: boolean;
                    /**
                     * @description read every byte of outputs and pieces, and check that the inputs are unchanged
                     * @default false
                     */
                    deep?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Verify"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    report: {
        parameters: {
            query?: {
                /** @description compare with another job; last: the previous finished job of this name */
                compare?: string | number;
                /** @description with --compare: exit with 11 if a relevant figure is worse by more than this: 20% */
                regress?: string | number;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Report"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    resume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description id, unique prefix, key:RUN-KEY, name:NAME or last */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * @description don't change the size of groups
                     * @default true
                     */
                    scale?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                    /** @description the job, like a job file in JSON; its inputs are in the store or in a bucket */
                    spec?: Record<string, never>;
                    /** @description for a job with files: the SHA-256 of their archive, which was stored as code/<sha256>.tar.gz */
                    code?: string;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Resume"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    retry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description id, unique prefix, key:RUN-KEY, name:NAME or last */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * @description only this task: <step>/<n>
                     * @default []
                     */
                    task?: (string | number)[];
                    /**
                     * @description only the tasks that failed for this cause: an id from `failures`, or its beginning
                     * @default []
                     */
                    cause?: (string | number)[];
                    /** @description retry this many first, and the rest only if they succeed */
                    canary?: string | number;
                    /** @description another timeout for each attempt */
                    timeout?: string | number;
                    /**
                     * @description change one of the job's parameters
                     * @default []
                     */
                    set?: (string | number)[];
                    /**
                     * @description don't change the size of groups
                     * @default true
                     */
                    scale?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                    /** @description the job, like a job file in JSON; its inputs are in the store or in a bucket */
                    spec?: Record<string, never>;
                    /** @description for a job with files: the SHA-256 of their archive, which was stored as code/<sha256>.tar.gz */
                    code?: string;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Retry"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    skip: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description id, unique prefix, key:RUN-KEY, name:NAME or last */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * @description this task: <step>/<n>
                     * @default []
                     */
                    task?: (string | number)[];
                    /**
                     * @description the tasks that failed for this cause: an id from `failures`, or its beginning
                     * @default []
                     */
                    cause?: (string | number)[];
                    /** @description the reason, which the proof records with who and when */
                    reason?: string | number;
                    /**
                     * @description undo the skip, unless a gather has opened without the tasks
                     * @default false
                     */
                    undo?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Skip"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    tasks: {
        parameters: {
            query?: {
                /** @description all attempts of this task: <step>/<n> */
                task?: string | number;
                /** @description only tasks of this step */
                step?: string | number;
                /** @description only tasks in this state; required to see waiting tasks */
                state?: "waiting" | "running" | "done" | "failed" | "skipped";
                /** @description show at most this many (1,000) */
                limit?: string | number;
                /** @description start after this task: <step>/<n> */
                after?: string | number;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Tasks"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    why: {
        parameters: {
            query?: {
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description id, prefix, key:RUN-KEY, name:NAME or last; the latest unless given */
                job: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Why"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    me: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Me"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    getObject: {
        parameters: {
            query: {
                /** @description a full key: data/claims.csv */
                key: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description all of it */
            200: {
                headers: {
                    /** @description the object's entity tag, in quotes */
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": unknown;
                };
            };
            /** @description a range of it */
            206: {
                headers: {
                    /** @description the object's entity tag, in quotes */
                    etag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/octet-stream": unknown;
                };
            };
            /** @description its location */
            307: {
                headers: {
                    location?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    putObject: {
        parameters: {
            query: {
                /** @description a full key: data/claims.csv */
                key: string;
                /** @description bytes */
                size: number;
                /** @description of the bytes, in hex; for code, of the uncompressed archive */
                sha256: string;
                /** @description true: never replace an existing object */
                ifAbsent?: boolean;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/octet-stream": unknown;
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Put"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    headObject: {
        parameters: {
            query: {
                /** @description a full key: data/claims.csv */
                key: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description it exists */
            200: {
                headers: {
                    /** @description the object's entity tag, in quotes */
                    etag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    listObjects: {
        parameters: {
            query: {
                /** @description data/, jobs/JOB/... */
                prefix: string;
                /** @description only keys after this one: `next` of the previous page */
                after?: string;
                /** @description at most this many (default: 1,000) */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ObjectPage"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    openapi: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    plan: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description read this instead of the job file's inputs: a file, a pattern, store:KEY, job:JOB/STEP, or - for stdin
                     * @default []
                     */
                    input?: (string | number)[];
                    /**
                     * @description set a parameter
                     * @default []
                     */
                    set?: (string | number)[];
                    /** @description a name that ensures this run happens only once; may contain {period} */
                    runKey?: string | number;
                    /**
                     * @description if the key exists with other content, use its job anyway
                     * @default false
                     */
                    existing?: boolean;
                    /**
                     * @description start another run under the same key
                     * @default false
                     */
                    again?: boolean;
                    /** @description the value of {period}: 2026-11 */
                    period?: string | number;
                    /**
                     * @description label the job
                     * @default []
                     */
                    label?: (string | number)[];
                    /** @description deadline: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z; a late job exits 10 */
                    finishBy?: string | number;
                    /** @description cost limit, if the profile knows prices; not on local */
                    maxCost?: string | number;
                    /** @description fail unless there are exactly this many inputs */
                    expectInputs?: string | number;
                    /** @description wait this long for missing inputs */
                    awaitInput?: string | number;
                    /**
                     * @description accept input without any parts
                     * @default false
                     */
                    allowEmpty?: boolean;
                    /** @description start no task before this time: 18:30, "in 6h", "tomorrow 06:00", 2026-11-30T06:00Z */
                    at?: string | number;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                    /** @description the job, like a job file in JSON; its inputs are in the store or in a bucket */
                    spec: Record<string, never>;
                    /** @description for a job with files: the SHA-256 of their archive, which was stored as code/<sha256>.tar.gz */
                    code?: string;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Plan"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    prune: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description only jobs that closed longer ago than this (default: 30d) */
                    olderThan?: string | number;
                    /**
                     * @description every closed job, however recent
                     * @default false
                     */
                    all?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Prune"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    queuePurge: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /**
                     * @description the group of the queue (default: default)
                     * @default default
                     */
                    group?: string | number;
                    /** @description only messages of this job */
                    job?: string | number;
                    /** @description the name of the group, to confirm; --yes is not enough */
                    confirm?: string | number;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["QueuePurge"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    queue: {
        parameters: {
            query?: {
                /** @description only the queue of this group */
                group?: string | number;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Queue"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    ledgerRebuild: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description only jobs accepted within this time: 7d */
                    since?: string | number;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["LedgerRebuild"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    queueRedrive: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description only dead letters of this group (default: all groups) */
                    group?: string | number;
                    /** @description only those of this job */
                    job?: string | number;
                    /** @description only those of this task, STEP/N; requires --job */
                    task?: string | number;
                    /** @description send back at most this many */
                    limit?: string | number;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["QueueRedrive"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    rm: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description keys as shown by ls; a final / or * matches all keys with that prefix */
                    key: (string | number)[];
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Rm"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    tick: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Tick"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scheduleLs: {
        parameters: {
            query?: {
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["ScheduleLs"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scheduleAdd: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description name of the schedule; the run key is <name>@<period> */
                    name: string | number;
                    /** @description five fields: "30 18 L * *" is 18:30 on the last day of each month */
                    cron?: string | number;
                    /** @description a business day of each month: last-business-day or nth-business-day:3 */
                    calendar?: string | number;
                    /** @description with --calendar: the time of day (default: 18:00) */
                    time?: string | number;
                    /** @description with --calendar: a file of dates that are not business days, one per line; here its lines */
                    holidays?: string[];
                    /**
                     * @description with --calendar: {period} is the month before the one in which the schedule fires
                     * @default false
                     */
                    monthBefore?: boolean;
                    /** @description how late a missed firing may still run (default: 24h) */
                    catchUp?: string | number;
                    /**
                     * @description read this instead of the job file's inputs: a file, a pattern, store:KEY, job:JOB/STEP, or - for stdin
                     * @default []
                     */
                    input?: (string | number)[];
                    /**
                     * @description set a parameter
                     * @default []
                     */
                    set?: (string | number)[];
                    /**
                     * @description label the job
                     * @default []
                     */
                    label?: (string | number)[];
                    /** @description deadline of each firing: "in 6h", 06:00 (the next one after the due time), "tomorrow 06:00" */
                    finishBy?: string | number;
                    /** @description cost limit, if the profile knows prices; not on local */
                    maxCost?: string | number;
                    /** @description fail unless there are exactly this many inputs */
                    expectInputs?: string | number;
                    /** @description wait this long for missing inputs */
                    awaitInput?: string | number;
                    /**
                     * @description accept input without any parts
                     * @default false
                     */
                    allowEmpty?: boolean;
                    /**
                     * @description replace the existing schedule of that name
                     * @default false
                     */
                    replace?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                    /** @description the job, like a job file in JSON; its inputs are in the store or in a bucket */
                    spec: Record<string, never>;
                    /** @description for a job with files: the SHA-256 of their archive, which was stored as code/<sha256>.tar.gz */
                    code?: string;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleAdd"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scheduleShow: {
        parameters: {
            query?: {
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description name of the schedule */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleShow"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scheduleRm: {
        parameters: {
            query?: {
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
                /** @description true: only report what would be done */
                dryRun?: boolean;
            };
            header?: never;
            path: {
                /** @description name of the schedule */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleRm"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    schedulePause: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description name of the schedule */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SchedulePause"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scheduleResume: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description name of the schedule */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleResume"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    scheduleRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description name of the schedule */
                name: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description the period: 2026-11 for a calendar, 2026-11-30T06:00 for cron */
                    period?: string | number;
                    /**
                     * @description if the period ran with other content, use its job anyway
                     * @default false
                     */
                    existing?: boolean;
                    /**
                     * @description run the period again
                     * @default false
                     */
                    again?: boolean;
                    /**
                     * @description don't change the size of groups
                     * @default true
                     */
                    scale?: boolean;
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ScheduleRun"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    beginUpload: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UploadAsked"];
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadWay"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    abortUpload: {
        parameters: {
            query: {
                /** @description a full key: data/claims.csv */
                key: string;
                /** @description id of the upload */
                upload: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UploadGivenUp"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    completeUpload: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["CompletionAsked"];
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Put"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    uploadParts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PartsAsked"];
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PartUrls"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    callVerb: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description the verb: retry, schedule add */
                    name: string;
                    /** @description arguments and options by their camelCase names, as in the verb's own path */
                    input: Record<string, never>;
                    dryRun?: boolean;
                    /** @description destroy without asking for confirmation */
                    yes?: boolean;
                    /** @description an IANA zone; null: the profile's */
                    tz?: string | null;
                    /** @description content of the local files given to the verb */
                    attachments?: Record<string, never> | null;
                };
            };
        };
        responses: {
            /** @description frames, one a line */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/x-ndjson": components["schemas"]["ValueFrame"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    workers: {
        parameters: {
            query?: {
                /** @description only workers that serve this group */
                group?: string | number;
                /** @description also workers that exited within the last day */
                all?: boolean;
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the complete list */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: components["schemas"]["Workers"][];
                    };
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    workersDrain: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a worker's id or its beginning, or its instance's id, as shown by batchctl workers */
                worker: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkersDrain"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    workersLogs: {
        parameters: {
            query?: {
                /** @description time zone of the times read, an IANA name (default: the profile's) */
                tz?: string;
            };
            header?: never;
            path: {
                /** @description a worker's id or its beginning, or an instance's id, as shown by batchctl workers --all */
                worker: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkersLogs"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    workersStop: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description a worker's id or its beginning, or its instance's id, as shown by batchctl workers */
                worker: string;
            };
            cookie?: never;
        };
        requestBody?: {
            content: {
                "application/json": {
                    /** @description time zone of the times read, an IANA name (default: the profile's) */
                    tz?: string;
                    /** @description true: only report what would be done */
                    dryRun?: boolean;
                };
            };
        };
        responses: {
            /** @description the answer */
            200: {
                headers: {
                    /** @description the exit code of the command */
                    "x-batchctl-exit-code"?: string;
                    /** @description for an answer despite an error (a failed proof): the error, as ASCII JSON */
                    "x-batchctl-error"?: string;
                    /** @description warnings of the verb, as an ASCII JSON list of texts */
                    "x-batchctl-warnings"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["WorkersStop"];
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    health: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description it responds */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "ok";
                    };
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description metrics */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/plain": string;
                };
            };
            "4XX": components["responses"]["Refused"];
            "5XX": components["responses"]["Failed"];
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description it can */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        status: "ready";
                    };
                };
            };
            503: components["responses"]["Failed"];
        };
    };
}
