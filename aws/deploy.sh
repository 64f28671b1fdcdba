#!/bin/sh
# Creates or updates the site in the AWS account of the shell's credentials, and prints what to
# write into the settings of the CI:
#
#     aws/deploy.sh [PARAMETER=VALUE ...]
#
# The parameters are those of site.yaml; an update keeps those that are not given. The region and
# the names are those of .travis.yml. For private images, DOCKER_ID and DOCKER_PASSWORD have a login
# that may pull them. Needs the AWS CLI.
set -eu
cd "$(dirname "$0")/.."

# `aws cloudformation deploy` ignores unknown parameters.
parameters=$(sed -n '/^Parameters:/,/^Conditions:/s/^  \([A-Za-z]*\):.*/\1/p' aws/site.yaml)
for parameter; do
    echo "$parameters" | grep -Fqx -- "${parameter%%=*}" || {
        echo "aws/deploy.sh: site.yaml has no parameter ${parameter%%=*}" >&2
        exit 1
    }
done

# Before anything is created, because deploy.sh fails if only one of the two variables is set.
dockercfg=
if [ -n "${DOCKER_ID:-}${DOCKER_PASSWORD:-}" ]; then dockercfg=$(./deploy.sh dockercfg); fi

setting() { sed -n "s/^  $1: //p" .travis.yml; }
stack=$(setting app)
AWS_DEFAULT_REGION=$(setting region)
AWS_REGION=$AWS_DEFAULT_REGION
# No pager, which version 2 of the CLI opens for output of its own.
AWS_PAGER=
export AWS_DEFAULT_REGION AWS_REGION AWS_PAGER

# An update brings the newest version of the platform, too.
platform=$(aws elasticbeanstalk list-platform-versions --output text \
    --filters '[{"Type": "PlatformBranchName", "Operator": "=",
                 "Values": ["ECS running on 64bit Amazon Linux 2023"]},
                {"Type": "PlatformLifecycleState", "Operator": "=", "Values": ["recommended"]}]' \
    --query 'PlatformSummaryList[0].PlatformArn')
if [ "$platform" = None ]; then
    echo "aws/deploy.sh: Elastic Beanstalk has no ECS platform in $AWS_REGION" >&2
    exit 1
fi

# AWS creates each of these roles with the first resource of its service, but that resource can then
# fail with "Unable to assume the service linked role", and the whole stack with it.
for service in ecs rds elasticache; do
    role=$(aws iam list-roles --path-prefix "/aws-service-role/$service.amazonaws.com/" \
        --output text --query 'Roles[].RoleName')
    if [ -z "$role" ]; then
        aws iam create-service-linked-role --aws-service-name "$service.amazonaws.com" > /dev/null
    fi
done

echo "The first time takes about 20 minutes. The stack $stack in the console of CloudFormation" \
    "shows how far it is."
aws cloudformation deploy --stack-name "$stack" --template-file aws/site.yaml \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset --parameter-overrides \
    Application="$stack" Environment="$(setting env)" PlatformArn="$platform" "$@"

output() {
    aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue"
}
url=$(output Url) bucket=$(output Bucket) key=$(output AccessKey)
secret=$(aws secretsmanager get-secret-value --secret-id "$(output SecretKey)" --output text \
    --query SecretString)

if [ -n "$dockercfg" ]; then
    file=$(mktemp)
    trap 'rm "$file"' EXIT
    printf '%s\n' "$dockercfg" > "$file"
    aws s3api put-object --bucket "$bucket" --key .dockercfg --body "$file" > /dev/null
fi

cat << END

The site is $url
Until the CI has deployed for the first time, it shows a sample.

Settings of the CI, besides DOCKER_ID and DOCKER_PASSWORD of a login that may push the images:

AWS_ACCESS_KEY=$key
AWS_SECRET_KEY=$secret
AWS_BUCKET=$bucket
SITE_URL=$url
END
if [ -n "$dockercfg" ]; then echo "DOCKERCFG_BUCKET=$bucket"; fi
