"""moto's EC2 and bucket policies, corrected where a grid needs what AWS does differently."""

import json
from xml.etree import ElementTree

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import elastic_ip_addresses, launch_templates, security_groups
from moto.ec2.models.instances import Instance
from moto.ec2.responses import launch_templates as launch_template_responses
from moto.ec2.responses.launch_templates import LaunchTemplates, pretty_xml, xml_root, xml_serialize
from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

# --- Bucket policies: moto ignores conditions, so that a Deny of requests without TLS would deny all. TLS ends before moto,
# which can't tell whether it was used, so all requests are allowed.

bucket_permission = FakeBucket.get_permission


def get_permission(self, action, resource):
    whole = self.policy
    statements = json.loads(whole)["Statement"] if whole else []
    kept = [each for each in statements if "aws:SecureTransport" not in str(each.get("Condition"))]
    if not kept:
        return PermissionResult.NEUTRAL
    self.policy = json.dumps({"Version": "2012-10-17", "Statement": kept}).encode()
    try:
        return bucket_permission(self, action, resource)
    finally:
        self.policy = whole


FakeBucket.get_permission = get_permission

Template = launch_templates.LaunchTemplate
Backend = launch_templates.LaunchTemplateBackend

# --- Launch templates: moto keeps no default version, inherits nothing, deletes no version, and has its own errors.


def version_number(template, which):
    """A number, $Latest or $Default (DescribeLaunchTemplateVersions)."""
    text = str(which).lower()
    if text == "$latest":
        return template.versions[-1].number
    return template.default_version_number if text in ("$default", "none", "") else int(which)


def get_version(self, which):
    number = version_number(self, which)
    for version in self.versions:
        if version.number == number:
            return version
    raise EC2ClientError(
        "InvalidLaunchTemplateId.VersionNotFound",
        f"Could not find the specified version {which} for the launch template with ID {self.id}.",
    )


def create_version(self, data, description):
    # A number is never used twice (CreateLaunchTemplateVersion).
    self.last_number = getattr(self, "last_number", 0) + 1
    version = launch_templates.LaunchTemplateVersion(self, self.last_number, data, description)
    self.versions.append(version)
    return version


Template.get_version = get_version
Template.create_version = create_version
Template.default_version = lambda self: get_version(self, self.default_version_number)
Template.is_default = lambda self, version: self.default_version_number == version.number


def template_by_id(self, template_id):
    if template_id not in self.launch_templates:
        raise EC2ClientError(
            "InvalidLaunchTemplateId.NotFound", f"The specified launch template, with template ID {template_id}, does not exist."
        )
    return self.launch_templates[template_id]


def template_by_name(self, name):
    if name not in self.launch_template_name_to_ids:
        raise EC2ClientError(
            "InvalidLaunchTemplateName.NotFoundException",
            f"The specified launch template, with template name {name}, does not exist.",
        )
    return self.launch_templates[self.launch_template_name_to_ids[name]]


Backend.get_launch_template = template_by_id
Backend.get_launch_template_by_name = template_by_name
delete_launch_template = Backend.delete_launch_template


def delete_known_template(self, name, tid):
    known = template_by_name(self, name) if name else template_by_id(self, tid)
    return delete_launch_template(self, None, known.id)


Backend.delete_launch_template = delete_known_template


def of_request(self):
    name = self._get_param("LaunchTemplateName")
    return template_by_name(self.ec2_backend, name) if name else template_by_id(self.ec2_backend, self._get_param("LaunchTemplateId"))


def serialize(tree, key, value):
    # An interface's groups are a groupSet of groupId (LaunchTemplateInstanceNetworkInterfaceSpecification).
    if key != "GroupIds":
        return serialize_plainly(tree, key, value)
    node = ElementTree.SubElement(tree, "groupSet")
    for each in value:
        ElementTree.SubElement(node, "groupId").text = each


serialize_plainly = xml_serialize
launch_template_responses.xml_serialize = xml_serialize = serialize


def shown(data):
    """Template data as the answer spells it, without the tags of the template itself, which moto puts there."""
    nics = [
        {("GroupIds" if key == "SecurityGroupId" else key): value for key, value in nic.items()}
        for nic in data.get("NetworkInterface", [])
    ]
    own = {key: value for key, value in data.items() if key != "TagSpecifications"}
    return {**own, **({"NetworkInterface": nics} if nics else {})}


def version_facts(version):
    template = version.template
    return {
        "createTime": version.create_time,
        "defaultVersion": "true" if template.is_default(version) else "false",
        "launchTemplateData": shown(version.data),
        "launchTemplateId": template.id,
        "launchTemplateName": template.name,
        "versionDescription": version.description,
        "versionNumber": version.number,
    }


def template_facts(template):
    return {
        "createTime": template.create_time,
        "defaultVersionNumber": template.default_version_number,
        "latestVersionNumber": template.latest_version_number,
        "launchTemplateId": template.id,
        "launchTemplateName": template.name,
        "tags": template.get_tags(),
    }


def answer(name, facts):
    tree = xml_root(f"{name}Response")
    for key, value in facts.items():
        if isinstance(value, list):
            node = ElementTree.SubElement(tree, key)
            for item in value:
                xml_serialize(node, "item", item)
        else:
            xml_serialize(tree, key, value)
    return pretty_xml(tree)


def create_launch_template_version(self):
    template = of_request(self)
    data = self._get_multi_param_dict("LaunchTemplateData") or {}
    source = self._get_param("SourceVersion")
    if source:
        # Parameters of the new version replace the source's (CreateLaunchTemplateVersion: SourceVersion).
        data = {**template.get_version(source).data, **data}
    self.error_on_dryrun()
    version = template.create_version(data, self._get_param("VersionDescription"))
    return answer("CreateLaunchTemplateVersion", {"launchTemplateVersion": version_facts(version)})


def modify_launch_template(self):
    template = of_request(self)
    number = template.get_version(self._get_param("SetDefaultVersion")).number
    self.error_on_dryrun()
    template.default_version_number = number
    return answer("ModifyLaunchTemplate", {"launchTemplate": template_facts(template)})


def delete_launch_template_versions(self):
    # The default version can't be deleted; 200 at most in one call (DeleteLaunchTemplateVersions).
    template = of_request(self)
    done, failed = [], []
    for which in self._get_multi_param("LaunchTemplateVersion"):
        here = {"launchTemplateId": template.id, "launchTemplateName": template.name, "versionNumber": int(which)}
        found = [version for version in template.versions if version.number == int(which)]
        if not found or template.is_default(found[0]):
            code = "unexpectedError" if found else "launchTemplateVersionDoesNotExist"
            failed.append({**here, "responseError": {"code": code, "message": "It is not there, or the default version."}})
        else:
            template.versions.remove(found[0])
            done.append(here)
    facts = {
        "successfullyDeletedLaunchTemplateVersionSet": done,
        "unsuccessfullyDeletedLaunchTemplateVersionSet": failed,
    }
    return answer("DeleteLaunchTemplateVersions", facts)


def page(self, items):
    # 200 at most; in pages of MaxResults (DescribeLaunchTemplateVersions, DescribeLaunchTemplates).
    start = int(self._get_param("NextToken") or 0)
    end = start + min(self._get_int_param("MaxResults") or 200, 200)
    return items[start:end], ({"nextToken": str(end)} if end < len(items) else {})


def describe_launch_template_versions(self):
    asked = self._get_multi_param("LaunchTemplateVersion")
    if asked and not self._get_param("LaunchTemplateName") and not self._get_param("LaunchTemplateId"):
        # Of all templates only $Latest and $Default (DescribeLaunchTemplateVersions: LaunchTemplateVersion.N).
        if not set(asked) <= {"$Latest", "$Default"}:
            raise EC2ClientError("InvalidParameterValue", "Versions of all templates are $Latest and $Default.")
        all_templates = self.ec2_backend.launch_templates.values()
        some, more = page(self, [template.get_version(which) for template in all_templates for which in asked])
        return answer(
            "DescribeLaunchTemplateVersions", {"launchTemplateVersionSet": [version_facts(one) for one in some], **more}
        )
    template = of_request(self)
    versions = [template.get_version(which) for which in asked] if asked else list(reversed(template.versions))
    low, high = self._get_int_param("MinVersion"), self._get_int_param("MaxVersion")
    versions = [one for one in versions if (not low or one.number >= low) and (not high or one.number <= high)]
    some, more = page(self, versions)
    return answer(
        "DescribeLaunchTemplateVersions", {"launchTemplateVersionSet": [version_facts(one) for one in some], **more}
    )


def describe_launch_templates(self):
    names, ids = self._get_multi_param("LaunchTemplateName"), self._get_multi_param("LaunchTemplateId")
    backend = self.ec2_backend
    for name in names:
        template_by_name(backend, name)
    for tid in ids:
        template_by_id(backend, tid)
    found = backend.describe_launch_templates(names, ids, self._filters_from_querystring())
    some, more = page(self, found)
    return answer("DescribeLaunchTemplates", {"launchTemplates": [template_facts(one) for one in some], **more})


for action in (
    create_launch_template_version,
    modify_launch_template,
    delete_launch_template_versions,
    describe_launch_template_versions,
    describe_launch_templates,
):
    setattr(LaunchTemplates, action.__name__, action)

# --- Security groups: a group that an interface or another group's rule uses can't be deleted (DeleteSecurityGroup).

delete_security_group = security_groups.SecurityGroupBackend.delete_security_group


def delete_unused_group(self, name=None, group_id=None):
    def named(rules):
        return any(source.get("GroupId") == group_id for rule in rules for source in rule.source_groups)

    others = [one for groups in self.groups.values() for one in groups.values() if one.id != group_id]
    used = any(one.id == group_id for nic in self.enis.values() for one in nic.group_set)
    if used or any(named(one.ingress_rules) or named(one.egress_rules) for one in others):
        raise EC2ClientError("DependencyViolation", f"resource {group_id} has a dependent object")
    return delete_security_group(self, name, group_id)


security_groups.SecurityGroupBackend.delete_security_group = delete_unused_group

# --- Addresses: an associated one can't be released (ReleaseAddress: InvalidIPAddress.InUse). By default, a VPC's address can
# be associated again (AssociateAddress: AllowReassociation). An instance's end ends the association.

Addresses = elastic_ip_addresses.ElasticAddressBackend
associate_address = Addresses.associate_address
release_address = Addresses.release_address


def release_unused(self, address=None, allocation_id=None):
    found = self.address_by_ip([address]) if address else self.address_by_allocation([allocation_id])
    if found[0].association_id:
        raise EC2ClientError("InvalidIPAddress.InUse", f"The address with allocation id [{allocation_id}] cannot be released because it is in use.")
    return release_address(self, address, allocation_id)


Addresses.release_address = release_unused

from moto.ec2.responses.elastic_ip_addresses import ElasticIPAddresses  # noqa: E402

ask_to_associate = ElasticIPAddresses.associate_address


def associate(self):
    if "AllowReassociation" not in self.querystring:
        self.querystring["AllowReassociation"] = ["true"]
    return ask_to_associate(self)


ElasticIPAddresses.associate_address = associate

terminate = Instance.terminate


def terminate_all(self):
    # By default, an instance's interfaces and root volume are deleted with it (TerminateInstances).
    for address in list(self.ec2_backend.addresses):
        if address.instance is self or (address.eni and address.eni.instance is self):
            self.ec2_backend.disassociate_address(address=address.public_ip)
    previous = terminate(self)
    for nic in self.nics.values():
        self.ec2_backend.enis.pop(nic.id, None)
    return previous


Instance.terminate = terminate_all
# An instance's groups are those of its first interface (Instance: SecurityGroups).
Instance.dynamic_group_list = property(lambda self: self.security_groups or self.nics[0].group_set)

# --- Instances: moto has no filter for their instance profile (DescribeInstances).

from moto.ec2 import utils  # noqa: E402

utils.filter_dict_attribute_mapping["iam-instance-profile.arn"] = "iam_instance_profile.Arn"

# --- A default VPC has an internet gateway, and a route to it in the main table (VPC guide: default VPC components).

from moto.ec2.models import EC2Backend  # noqa: E402

make_backend = EC2Backend.__init__


def with_internet(self, *args, **options):
    make_backend(self, *args, **options)
    vpc = self.default_vpc
    gateway = self.create_internet_gateway()
    self.attach_internet_gateway(gateway.id, vpc.id)
    [table] = [one for one in self.route_tables.values() if one.vpc_id == vpc.id]
    self.create_route(table.id, "0.0.0.0/0", gateway_id=gateway.id)


EC2Backend.__init__ = with_internet

# --- EBS: the account's default key is AWS's own until someone chooses another (GetEbsDefaultKmsKeyId).

from moto.ec2.responses import EC2Response  # noqa: E402

choose_default_key = EC2Backend.modify_ebs_default_kms_key_id


def choose_key(self, kms_key_id):
    self.chosen_key = choose_default_key(self, kms_key_id)
    return self.chosen_key


def get_ebs_default_kms_key_id(self):
    key = getattr(self.ec2_backend, "chosen_key", "alias/aws/ebs")
    return (
        '<GetEbsDefaultKmsKeyIdResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
        f"<requestId>r</requestId><kmsKeyId>{key}</kmsKeyId></GetEbsDefaultKmsKeyIdResponse>"
    )


EC2Backend.modify_ebs_default_kms_key_id = choose_key
EC2Response.get_ebs_default_kms_key_id = get_ebs_default_kms_key_id

# --- Regions: moto lists all, AWS those that the account may use (DescribeRegions: AllRegions).

REGIONS = ("eu-west-1", "us-east-1", "us-west-2")
describe_regions = EC2Backend.describe_regions


def describe_enabled_regions(self, region_names=None):
    return [region for region in describe_regions(self, region_names) if region.name in REGIONS]


EC2Backend.describe_regions = describe_enabled_regions

# --- Service Quotas: moto has none for EC2. Here each is large.

from moto.servicequotas.models import ServiceQuotasBackend  # noqa: E402


def get_service_quota(self, service_code, quota_code):
    return {"ServiceCode": service_code, "QuotaCode": quota_code, "Value": 100_000.0, "Adjustable": True}


ServiceQuotasBackend.get_service_quota = get_service_quota

import moto_base  # noqa: E402, F401
from moto.server import main  # noqa: E402

main(["-H", "127.0.0.1", "-p", "0"])
