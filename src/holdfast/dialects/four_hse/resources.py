"""The five kinds of records: project, office, certificate, action and person in an office (contract section 5.2)."""

from datetime import date
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.core.errors import Invalid
from holdfast.core.model import Record, RecordRef
from holdfast.core.paths import checked_name
from holdfast.core.ports import RecordFilter, RecordQuery, Where, Window
from holdfast.core.store import Desk
from holdfast.dialects.four_hse.errors import Unprocessable
from holdfast.dialects.four_hse.links import ENTITY_TYPES
from holdfast.dialects.four_hse.parents import Named, Parent, Resource, Values
from holdfast.dialects.four_hse.paths import office_folder, project_folder

ActionType = Literal["TRAINING", "MAINTENANCE", "HEALTH", "CHECK", "PER"]
ValidityUnit = Literal["YEAR", "MONTH", "DAY"]
Country = Annotated[str, Meta(pattern="^[A-Z]{2}$")]
Text50 = Annotated[str, Meta(max_length=50)]
Text255 = Annotated[str, Meta(max_length=255)]
Name50 = Annotated[str, Meta(min_length=1, max_length=50)]
Name255 = Annotated[str, Meta(min_length=1, max_length=255)]
Text = Annotated[str, Meta(max_length=10_000)]
Data = dict[str, Any]


class NewProject(msgspec.Struct, frozen=True):
    """A company whose files are kept together."""

    name: Name50
    country: Country
    project_id: UUID | UnsetType = UNSET
    description: Text | None = None
    status: Literal["active", "suspended", "pending_delete", "deleted"] = "active"
    project_type: Literal["safety", "template"] = "safety"
    customer_id: UUID | None = None
    partner_id: UUID | None = None


class Project(msgspec.Struct, frozen=True):
    """A project as it is shown."""

    project_id: str
    name: str = ""
    country: str | None = None
    description: str | None = None
    status: str = "active"
    project_type: str = "safety"
    customer_id: str | None = None
    partner_id: str | None = None
    created_at: str = ""
    updated_at: str = ""


class NewOffice(msgspec.Struct, frozen=True):
    """A site of a project. Its name is also that of its folder."""

    project_id: UUID
    name: Name255
    office_id: UUID | UnsetType = UNSET
    description: Text | None = None
    code: Text50 | None = None
    office_type_icon: Literal["office_default", "construction_site"] = "office_default"
    office_type_id: UUID | None = None
    street: Text255 | None = None
    postal_code: Text255 | None = None
    region: Text255 | None = None
    locality: Text255 | None = None
    country: Country | None = None
    tax_code: Text255 | None = None
    vat: Text255 | None = None


class Office(msgspec.Struct, frozen=True):
    """An office as it is shown."""

    office_id: str
    project_id: str | None = None
    name: str = ""
    description: str | None = None
    code: str | None = None
    office_type_icon: str = "office_default"
    office_type_id: str | None = None
    street: str | None = None
    postal_code: str | None = None
    region: str | None = None
    locality: str | None = None
    country: str | None = None
    tax_code: str | None = None
    vat: str | None = None
    project_name: str | None = None
    project_type: str | None = None
    created_at: str = ""
    updated_at: str = ""


class NewCertificate(msgspec.Struct, frozen=True):
    """What proves that an action was done for a resource: a person, an office, an equipment."""

    name: Name255
    date_release: date
    action_type: ActionType
    resource_id: UUID
    tenant_id: UUID
    certificate_id: UUID | UnsetType = UNSET
    date_expire: date | None = None
    note: Text | None = None
    data: Data | None = None
    warning: Literal[0, 1] = 0
    validity_unit: ValidityUnit | None = None
    validity: Annotated[int, Meta(ge=0)] | None = None


class Certificate(msgspec.Struct, frozen=True):
    """A certificate as it is shown."""

    certificate_id: str
    name: str = ""
    date_release: str | None = None
    date_expire: str | None = None
    action_type: str | None = None
    resource_id: str | None = None
    tenant_id: str | None = None
    note: str | None = None
    data: Data | None = None
    warning: int = 0
    validity_unit: str | None = None
    validity: int | None = None
    created_at: str = ""
    updated_at: str = ""


class NewAction(msgspec.Struct, frozen=True):
    """Something that an office has to do, once or again and again."""

    action_type: ActionType
    name: Name255
    subtenant_id: UUID
    tenant_id: UUID
    action_id: UUID | UnsetType = UNSET
    code: Text50 | None = None
    description: Text | None = None
    validity_unit: ValidityUnit | None = None
    validity: Annotated[int, Meta(ge=0)] | None = None
    expire_interval: Annotated[int, Meta(ge=0)] | None = None
    manager: Any = None
    assignee: Any = None
    watcher: Any = None
    data: Data | None = None


class Action(msgspec.Struct, frozen=True):
    """An action as it is shown."""

    action_id: str
    action_type: str | None = None
    name: str = ""
    subtenant_id: str | None = None
    tenant_id: str | None = None
    code: str | None = None
    description: str | None = None
    validity_unit: str | None = None
    validity: int | None = None
    expire_interval: int | None = None
    manager: Any = None
    assignee: Any = None
    watcher: Any = None
    data: Data | None = None
    office_name: str | None = None
    project_name: str | None = None
    created_at: str = ""
    updated_at: str = ""


class NewPersonOffice(msgspec.Struct, frozen=True):
    """A person who works in an office."""

    office_id: UUID
    person_id: UUID
    project_id: UUID
    person_office_id: UUID | UnsetType = UNSET
    person_code: Text50 | None = None
    person_first_name: Text255 | None = None
    person_last_name: Text255 | None = None


class PersonOffice(msgspec.Struct, frozen=True):
    """A person in an office as it is shown."""

    person_office_id: str
    office_id: str | None = None
    person_id: str | None = None
    project_id: str | None = None
    person_code: str | None = None
    person_first_name: str | None = None
    person_last_name: str | None = None
    office_name: str | None = None
    project_name: str | None = None
    created_at: str = ""
    updated_at: str = ""


async def _one_name_each(desk: Desk, values: Values, present: Record | None) -> tuple[RecordRef, ...]:
    """An office's folder has its name, so the name can be one and is no other office's in the project."""
    name = str(values.get("name") or "")
    try:
        checked_name(name)
    except Invalid as refused:
        raise Unprocessable({"name": f"The office's folder has its name. {refused.detail}."}) from None
    project = RecordRef("project", str(values.get("project_id")))
    filter = RecordFilter(("office",), (Where("attribute.name", "eq", name),))
    found = await desk.records.find(RecordQuery(desk.actor.account, Window(limit=2), filter, parent=project))
    if any(present is None or record.id != present.id for record in found.items):
        raise Unprocessable({"name": "Another office of the project has this name."})
    return ()


async def _resource(desk: Desk, values: Values, _present: Record | None) -> tuple[RecordRef, ...]:
    """A certificate also lies below its resource, where that is a record that is known here."""
    where = (Where("id", "eq", str(values.get("resource_id"))),)
    types = tuple(type for type in ENTITY_TYPES if type not in {"certificate", "action"})
    query = RecordQuery(desk.actor.account, Window(limit=1), RecordFilter(types, where))
    return tuple(record.ref for record in (await desk.records.find(query)).items)


def _folder_of_project(values: Values) -> str | None:
    return project_folder(values["project_id"])


def _folder_of_office(values: Values) -> str | None:
    project, name = values.get("project_id"), values.get("name")
    return office_folder(project, name) if project and name else None


PROJECT: Final = Resource(
    kind="project",
    id="project_id",
    new=NewProject,
    view=Project,
    sorts=("name",),
    texts=frozenset({"name", "description"}),
    folder=_folder_of_project,
)
OFFICE: Final = Resource(
    kind="office",
    id="office_id",
    new=NewOffice,
    view=Office,
    sorts=("name", "code"),
    texts=frozenset({"name", "description", "code", "street", "region", "locality"}),
    parents=(Parent("project_id", "project"),),
    fixed=("project_id",),
    names={
        "project_name": Named("project_id", "project", "name"),
        "project_type": Named("project_id", "project", "project_type"),
    },
    more=_one_name_each,
    folder=_folder_of_office,
)
CERTIFICATE: Final = Resource(
    kind="certificate",
    id="certificate_id",
    new=NewCertificate,
    view=Certificate,
    sorts=("date_release", "date_expire", "name", "action_type"),
    texts=frozenset({"name", "note"}),
    parents=(Parent("tenant_id", "project"),),
    fixed=("action_type", "tenant_id"),
    more=_resource,
)
ACTION: Final = Resource(
    kind="action",
    id="action_id",
    new=NewAction,
    view=Action,
    sorts=("code", "name", "action_type"),
    texts=frozenset({"name", "description", "code"}),
    parents=(Parent("tenant_id", "project", direct=False), Parent("subtenant_id", "office", below="tenant_id")),
    fixed=("action_type", "tenant_id"),
    names={
        "office_name": Named("subtenant_id", "office", "name"),
        "project_name": Named("tenant_id", "project", "name"),
    },
)
PERSON_OFFICE: Final = Resource(
    kind="person_office",
    id="person_office_id",
    new=NewPersonOffice,
    view=PersonOffice,
    sorts=("person_last_name", "person_first_name", "person_code"),
    texts=frozenset({"person_code", "person_first_name", "person_last_name"}),
    parents=(Parent("project_id", "project", direct=False), Parent("office_id", "office", below="project_id")),
    fixed=("project_id", "person_id"),
    names={
        "office_name": Named("office_id", "office", "name"),
        "project_name": Named("project_id", "project", "name"),
    },
)
