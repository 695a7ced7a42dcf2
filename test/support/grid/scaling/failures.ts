/** Why a launch fails, by what mends it. */
export type LaunchFailure = 'capacity' | 'quota' | 'price' | 'key' | 'image' | 'permission' | 'network';

export interface Launch {
  readonly type: string;
  readonly zone: string;
  readonly subnet: string;
  readonly image: string;
  readonly lifeCycle: 'spot' | 'on-demand';
}

/** What a scaling activity says of it, as AWS words it (Auto Scaling User Guide: Troubleshoot; EC2 API: Error codes). */
export function failureMessage(code: LaunchFailure, { type, zone, subnet, image, lifeCycle }: Launch): string {
  const spot = lifeCycle === 'spot';
  const kind = spot ? 'Could not launch Spot Instances.' : 'Could not launch On-Demand Instances.';
  switch (code) {
    case 'capacity':
      return spot
        ? `${kind} UnfulfillableCapacity - Unable to fulfill capacity due to your request configuration. Please adjust your request and try again. Launching EC2 instance failed.`
        : `${kind} InsufficientInstanceCapacity - We currently do not have sufficient ${type} capacity in the Availability Zone you requested (${zone}). Our system will be working on provisioning additional capacity. You can currently get ${type} capacity by not specifying an Availability Zone in your request. Launching EC2 instance failed.`;
    case 'quota':
      return spot
        ? `${kind} MaxSpotInstanceCountExceeded - Max spot instance count exceeded. Launching EC2 instance failed.`
        : `${kind} VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit. Launching EC2 instance failed.`;
    case 'price':
      return `${kind} SpotMaxPriceTooLow - Your Spot request price of 0.01 is lower than the minimum required Spot request fulfillment price of 0.0255. Launching EC2 instance failed.`;
    case 'key':
      // It starts, and ends itself: the root volume can't be decrypted (Troubleshoot: Client.InternalError).
      return 'Instance became unhealthy while waiting for instance to be in InService state. Termination Reason: Client.InternalError: Client error on launch';
    case 'image':
      return `The image id '[${image}]' does not exist. Launching EC2 instance failed.`;
    case 'permission':
      return 'You are not authorized to perform this operation. Encoded authorization failure message: 4GcK2mUzYlQm. Launching EC2 instance failed.';
    case 'network':
      return `There are not enough free addresses in subnet '${subnet}' to satisfy the requested number of instances. Launching EC2 instance failed.`;
  }
}

const CODES = ['capacity', 'quota', 'price', 'key', 'image', 'permission', 'network'] as const;

export const isLaunchFailure = (code: string): code is LaunchFailure => CODES.some((each) => each === code);

/** A launch that came to nothing because of its key was cancelled; the others failed (DescribeScalingActivities). */
export const failureStatus = (code: string): string => (code === 'key' ? 'Cancelled' : 'Failed');
